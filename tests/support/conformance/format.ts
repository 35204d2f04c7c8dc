import assert from 'node:assert/strict';
import { encode, fixedHeader, TYPE } from '../raw-mqtt.ts';
import { connectPacket, field, messageOf, packet, subscribePacket, unsubscribePacket } from './packets.ts';
import type { Statement } from './statement.ts';

const CLIENTS = 'it binds the client';

/** Surrogates, an overlong slash, a byte that begins nothing, a character that is cut off. */
const NOT_UTF8 = ['eda080', 'c0af', 'ff', 'e282'].map((hex) => Buffer.from(`61${hex}`, 'hex'));

/** Each packet with a text in it. */
const packetsWith = (text: Buffer) => [
  encode.publish(text, 'x'),
  subscribePacket(1, [[text, 0]]),
  unsubscribePacket(1, text),
];

const withFlags = (bytes: Buffer, flags: number) =>
  Buffer.concat([Buffer.from([((bytes[0] ?? 0) & 0xf0) | flags]), bytes.subarray(1)]);

/** Chapters 1 and 2: data and the parts of a packet. */
export const format: readonly Statement[] = [
  {
    id: '1.5.3-1',
    says: 'Text that is not UTF-8 ends the connection',
    async check(bench) {
      for (const text of NOT_UTF8)
        for (const bytes of packetsWith(text)) assert.deepEqual(await bench.closesAfterLogin(bytes), []);
    },
  },
  {
    id: '1.5.3-2',
    says: 'Text with U+0000 ends the connection',
    async check(bench) {
      for (const bytes of packetsWith(Buffer.from('a\0b')))
        assert.deepEqual(await bench.closesAfterLogin(bytes), []);
    },
  },
  {
    id: '1.5.3-3',
    says: 'EF BB BF is U+FEFF wherever it stands, and is not left out',
    on: 'relay',
    async check(bench) {
      const peer = await bench.login();
      const topic = `\uFEFF${bench.topic}`;
      await peer.subscribe([topic, 0], [bench.topic, 0]);
      await peer.publish(topic, 'x');
      assert.equal((await peer.message()).topic, topic);
    },
  },
  {
    id: '2.2.2-1',
    says: 'Reserved flag bits are as in the table, in what the server sends too',
    async check(bench) {
      const peer = await bench.login();
      await peer.subscribe([bench.topic, 2]);
      await peer.publish(bench.topic, bench.payloads[0], { qos: 2 });
      await peer.message();
      await peer.unsubscribe(bench.topic);
      for (const { type, flags } of peer.raw.received)
        if (type !== TYPE.PUBLISH) assert.equal(flags, type === TYPE.PUBREL ? 2 : 0, `type ${type}`);
    },
  },
  {
    id: '2.2.2-2',
    says: 'Wrong flag bits end the connection',
    async check(bench) {
      const wrong = [
        withFlags(subscribePacket(1, [[bench.topic, 0]]), 0),
        withFlags(unsubscribePacket(1, bench.topic), 0),
        withFlags(encode.acknowledge(TYPE.PUBREL, 1), 0),
        withFlags(encode.acknowledge(TYPE.PUBACK, 1), 2),
        withFlags(encode.acknowledge(TYPE.PUBREC, 1), 1),
        withFlags(encode.acknowledge(TYPE.PUBCOMP, 1), 8),
        withFlags(encode.ping(), 1),
        withFlags(encode.disconnect(), 1),
      ];
      for (const bytes of wrong) assert.deepEqual(await bench.closesAfterLogin(bytes), []);
      assert.deepEqual(await bench.closes(withFlags(bench.connect(), 1)), []);
    },
  },
  {
    id: '2.3.1-1',
    says: 'SUBSCRIBE, UNSUBSCRIBE and PUBLISH above QoS 0 have a packet identifier that is not 0',
    async check(bench) {
      const wrong = [
        subscribePacket(0, [[bench.topic, 0]]),
        unsubscribePacket(0, bench.topic),
        encode.publish(bench.topic, bench.payloads[0], { qos: 1, id: 0 }),
        encode.publish(bench.topic, bench.payloads[0], { qos: 2, id: 0 }),
        packet(0x32, field(bench.topic)),
        packet(0x82, Buffer.from([1])),
      ];
      for (const bytes of wrong) assert.deepEqual(await bench.closesAfterLogin(bytes), []);
    },
  },
  { id: '2.3.1-2', says: 'A client takes an unused packet identifier', unseen: CLIENTS },
  { id: '2.3.1-3', says: 'A client sends again with the same packet identifier', unseen: CLIENTS },
  {
    id: '2.3.1-4',
    says: 'The server takes an unused packet identifier, too',
    otherwise:
      'Aedes counts up from a number of its own for each connection. Of messages that were sent before the session was taken up and are still not acknowledged, one can have the number that comes next.',
    async check(bench) {
      const [reader, writer] = [await bench.login(), await bench.login()];
      await reader.subscribe([bench.topic, 1]);
      for (const payload of [0, 1, 0, 1].map((one) => bench.payloads[one as 0 | 1]))
        await writer.publish(bench.topic, payload, { qos: 1 });
      const ids = new Set<number>();
      for (let count = 0; count < 4; count++) ids.add(messageOf(await reader.raw.next(TYPE.PUBLISH)).id);
      assert.equal(ids.size, 4);
      assert(!ids.has(0));
    },
  },
  {
    id: '2.3.1-5',
    says: 'A PUBLISH of QoS 0 has no packet identifier',
    async check(bench) {
      const peer = await bench.login();
      await peer.subscribe([bench.topic, 0]);
      await peer.publish(bench.topic, bench.payloads[0], { qos: 1 });
      // It would be taken for the payload's first bytes
      const { qos, payload } = await peer.message();
      assert.equal(qos, 0);
      assert(payload.startsWith(bench.payloads[0].slice(0, 3)));
    },
  },
  {
    id: '2.3.1-6',
    says: 'PUBACK, PUBREC and PUBCOMP name the packet that they answer',
    async check(bench) {
      const { raw } = await bench.login();
      raw.send(encode.publish(bench.topic, bench.payloads[0], { qos: 1, id: 0xff01 }));
      assert.equal((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0), 0xff01);
      raw.send(encode.publish(bench.topic, bench.payloads[1], { qos: 2, id: 0x01ff }));
      assert.equal((await raw.next(TYPE.PUBREC)).body.readUInt16BE(0), 0x01ff);
      raw.send(encode.acknowledge(TYPE.PUBREL, 0x01ff));
      assert.equal((await raw.next(TYPE.PUBCOMP)).body.readUInt16BE(0), 0x01ff);
    },
  },
  {
    id: '2.3.1-7',
    says: 'SUBACK and UNSUBACK name the packet that they answer',
    async check(bench) {
      const { raw } = await bench.login();
      raw.send(subscribePacket(0xfffe, [[bench.topic, 0]]));
      assert.equal((await raw.next(TYPE.SUBACK)).body.readUInt16BE(0), 0xfffe);
      raw.send(unsubscribePacket(0x0102, bench.topic));
      assert.equal((await raw.next()).body.readUInt16BE(0), 0x0102);
    },
  },
  {
    id: '4.8.0-1',
    says: 'A protocol violation ends the connection',
    async check(bench) {
      const violations = [
        fixedHeader(0x30, 0x0fff_ffff),
        Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        Buffer.from([0x00, 0]),
        Buffer.from([0xf0, 0]),
        packet(0x20, Buffer.from([0, 0])),
        packet(0x90, Buffer.from([0, 1, 0])),
        packet(0xb0, Buffer.from([0, 1])),
        packet(0xd0),
        packet(0xc0, Buffer.from('x')),
        packet(0x40, Buffer.from([0, 1, 0])),
        packet(0x40, Buffer.from([1])),
        packet(0x62),
        packet(0x30, Buffer.from([0, 9, 65])),
        connectPacket({ clientId: 'x', name: 'HTTP' }),
      ];
      for (const bytes of violations) assert.deepEqual(await bench.closesAfterLogin(bytes), []);
    },
  },
  {
    id: '4.8.0-2',
    says: 'A transient error while a packet is handled ends the connection',
    unseen:
      'there is none to be caused from outside; the tests of outages cause them (tests/system, tests/chaos)',
  },
];
