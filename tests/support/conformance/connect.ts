import assert from 'node:assert/strict';
import { encode } from '../raw-mqtt.ts';
import { type ConnectFields, connectPacket, field, packet } from './packets.ts';
import type { Statement } from './statement.ts';

const NOT_UTF8 = Buffer.from([0x61, 0xc0, 0xaf]);

/** A CONNECT as `fields` say is neither answered nor kept. */
const refusedWithoutAnswer =
  (...all: readonly ConnectFields[]): NonNullable<Statement['check']> =>
  async (bench) => {
    for (const fields of all) assert.deepEqual(await bench.closes(bench.connect(fields)), []);
  };

const will = { topic: 'a', payload: 'x' };

/** Chapter 3.1 to 3.1.3, without wills and sessions. */
export const connect: readonly Statement[] = [
  {
    id: '3.1.0-1',
    says: 'The first packet is a CONNECT',
    async check(bench) {
      for (const bytes of [encode.ping(), encode.publish(bench.topic, 'x'), encode.disconnect()])
        assert.deepEqual(await bench.closes(bytes, bench.connect()), []);
    },
  },
  {
    id: '3.1.0-2',
    says: 'A second CONNECT ends the connection',
    check: async (bench) => assert.deepEqual(await bench.closesAfterLogin(bench.connect()), []),
  },
  {
    id: '3.1.2-1',
    says: 'Where the protocol name is wrong, the CONNECT is not followed',
    check: refusedWithoutAnswer({ name: 'MQTt' }, { name: 'HTTP' }, { name: '' }, { name: 'MQTTX' }),
  },
  {
    id: '3.1.2-2',
    says: 'Another protocol level gets CONNACK 1, and the connection is closed',
    async check(bench) {
      for (const level of [0, 2, 3, 5, 6, 127, 0x84, 255]) {
        const connection = bench.open();
        assert.deepEqual(await bench.connack(connection, bench.connect({ level })), [0, 1], `level ${level}`);
        await connection.closed;
      }
    },
  },
  {
    id: '3.1.2-3',
    says: 'The reserved flag of CONNECT is 0',
    check: refusedWithoutAnswer({ flags: (right) => right | 1 }),
  },
  {
    id: '3.1.2-18',
    says: 'Without the user name flag there is no user name',
    // What stands there is a field too many
    check: refusedWithoutAnswer({ user: 'a', password: 'b', flags: (right) => right & 0x3f }),
  },
  {
    id: '3.1.2-19',
    says: 'With the user name flag there is a user name',
    async check(bench) {
      const flags = (right: number) => right | 0x80;
      const bytes = connectPacket({ clientId: bench.clientId(), flags });
      assert.deepEqual(await bench.closes(bytes), []);
    },
  },
  {
    id: '3.1.2-20',
    says: 'Without the password flag there is no password',
    check: refusedWithoutAnswer({ flags: (right) => right & 0xbf }),
  },
  {
    id: '3.1.2-21',
    says: 'With the password flag there is a password',
    async check(bench) {
      const bytes = connectPacket({ clientId: bench.clientId(), user: 'x', flags: (right) => right | 0x40 });
      assert.deepEqual(await bench.closes(bytes), []);
    },
  },
  {
    id: '3.1.2-22',
    says: 'Without a user name there is no password',
    async check(bench) {
      const bytes = connectPacket({ clientId: bench.clientId(), password: 'x' });
      assert.deepEqual(await bench.closes(bytes), []);
    },
  },
  { id: '3.1.2-23', says: 'A client sends something within the keepalive', unseen: 'it binds the client' },
  {
    id: '3.1.2-24',
    says: 'A client that is silent for one and a half keepalives is taken for lost; with 0 it never is',
    async check(bench) {
      const [silent, speaking, free] = await Promise.all([
        bench.login({ keepalive: 1 }),
        bench.login({ keepalive: 1 }),
        bench.login({ keepalive: 0 }),
      ]);
      // Any packet will do
      const talk = setInterval(() => speaking.raw.send(encode.publish(bench.topic, bench.payloads[0])), 200);
      await silent.raw.closed;
      clearInterval(talk);
      await Promise.all([speaking.ping(), free.ping()]);
    },
  },
  {
    id: '3.1.3-1',
    says: 'The fields of the payload stand in their order',
    unseen: 'it binds the client; what stands in another order is read as what it is not',
  },
  {
    id: '3.1.3-2',
    says: 'The client id is by what client and server know their session',
    async check(bench) {
      const clientId = bench.clientId();
      const first = await bench.login({ clientId, clean: false });
      await first.subscribe([bench.topic, 1]);
      await first.disconnect();
      assert(!(await bench.login({ clientId: bench.clientId(), clean: false })).sessionPresent);
      assert((await bench.login({ clientId, clean: false })).sessionPresent);
    },
  },
  {
    id: '3.1.3-3',
    says: 'There is a client id, before all else of the payload',
    async check(bench) {
      const bytes = packet(0x10, field('MQTT'), Buffer.from([4, 2, 0, 0]));
      assert.deepEqual(await bench.closes(bytes), []);
    },
  },
  { id: '3.1.3-4', says: 'It is UTF-8', check: refusedWithoutAnswer({ clientId: NOT_UTF8 }) },
  {
    id: '3.1.3-5',
    says: 'Client ids of 1 to 23 letters and digits are let in',
    async check(bench) {
      for (const clientId of ['a', '0123456789ABCDEFGHIJKLM', 'NOPQRSTUVWXYZabcdefghij', 'klmnopqrstuvwxyz'])
        await bench.login({ clientId });
    },
  },
  {
    id: '3.1.3-6',
    says: 'An empty client id gets one that nobody else has',
    async check(bench) {
      const both = [await bench.login({ clientId: '' }), await bench.login({ clientId: '' })];
      for (const peer of both) await peer.ping();
    },
  },
  {
    id: '3.1.3-7',
    says: 'Together with an empty client id the session is clean',
    unseen: 'it binds the client: see 3.1.3-8',
  },
  {
    id: '3.1.3-8',
    says: 'An empty client id with a session that is to last gets CONNACK 2, and the connection is closed',
    async check(bench) {
      const connection = bench.open();
      const bytes = bench.connect({ clientId: '', clean: false });
      assert.deepEqual(await bench.connack(connection, bytes), [0, 2]);
      await connection.closed;
    },
  },
  {
    id: '3.1.3-9',
    says: 'A client id that is not taken gets CONNACK 2, and the connection is closed',
    async check(bench) {
      const connection = bench.open();
      assert.deepEqual(await bench.connack(connection, bench.connect({ clientId: 'x'.repeat(257) })), [0, 2]);
      await connection.closed;
    },
  },
  {
    id: '3.1.3-10',
    says: 'The topic of a will is UTF-8',
    check: refusedWithoutAnswer({ will: { ...will, topic: NOT_UTF8 } }),
  },
  { id: '3.1.3-11', says: 'The user name is UTF-8', check: refusedWithoutAnswer({ user: NOT_UTF8 }) },
];
