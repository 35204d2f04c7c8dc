import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { encode, RawConnection, TYPE } from '../raw-mqtt.ts';
import type { Bench } from './bench.ts';
import type { Statement } from './statement.ts';

type WebConnection = { socket: WebSocket; raw: RawConnection; binary: boolean[] };

async function openWeb(bench: Bench): Promise<WebConnection> {
  const socket = new WebSocket(`ws://127.0.0.1:${bench.broker.wsPort}/mqtt`, ['mqtt']);
  const binary: boolean[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => socket.send(chunk, done),
    destroy: (error, done) => {
      socket.terminate();
      done(error);
    },
  });
  socket.on('message', (data: Buffer, isBinary) => {
    binary.push(isBinary);
    stream.push(data);
  });
  socket.on('close', () => stream.destroy());
  socket.on('error', () => undefined);
  const raw = bench.keep(new RawConnection(stream));
  await once(socket, 'open');
  return { socket, raw, binary };
}

/** Chapters 4.2, 6 and 7. */
export const transport: readonly Statement[] = [
  {
    id: '4.2.0-1',
    says: 'The connection is ordered and without loss, in both directions',
    unseen: 'TCP sees to that',
  },
  {
    id: '6.0.0-1',
    says: 'MQTT comes in binary frames; another kind ends the connection',
    async check(bench) {
      const { socket, raw, binary } = await openWeb(bench);
      raw.send(bench.connect());
      await raw.next(TYPE.CONNACK);
      assert.deepEqual(binary, [true]);
      socket.send(encode.ping().toString('latin1'), { binary: false });
      await raw.closed;
      assert.deepEqual(
        raw.received.map(({ type }) => type),
        [TYPE.CONNACK],
      );
    },
  },
  {
    id: '6.0.0-2',
    says: 'A frame may hold several packets, and a part of one',
    async check(bench) {
      const { raw } = await openWeb(bench);
      for (const byte of bench.connect()) raw.send(Buffer.from([byte]));
      await raw.next(TYPE.CONNACK);
      const publish = encode.publish(bench.topic, bench.payloads[0], { qos: 1, id: 5 });
      raw.send(encode.ping(), encode.ping(), publish.subarray(0, 9));
      raw.send(publish.subarray(9), encode.ping());
      const types = new Set<number>();
      for (let count = 0; count < 4; count++) types.add((await raw.next()).type);
      assert.deepEqual(types, new Set([TYPE.PINGRESP, TYPE.PUBACK]));
    },
  },
  {
    id: '6.0.0-3',
    says: 'The client offers the subprotocol mqtt',
    async check(bench) {
      const url = `ws://127.0.0.1:${bench.broker.wsPort}/mqtt`;
      for (const offered of [[], ['mqttv3.1'], ['MQTT']]) {
        const socket = new WebSocket(url, offered);
        socket.on('error', () => undefined);
        const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
        assert.equal(response.statusCode, 400);
        socket.terminate();
      }
    },
  },
  {
    id: '6.0.0-4',
    says: 'The server chooses the subprotocol mqtt',
    async check(bench) {
      const socket = new WebSocket(`ws://127.0.0.1:${bench.broker.wsPort}/mqtt`, ['mqttv3.1', 'mqtt']);
      await once(socket, 'open');
      assert.equal(socket.protocol, 'mqtt');
      socket.terminate();
    },
  },
  {
    id: '7.0.0-1',
    says: 'A server that conforms to a part only does not call itself one',
    unseen: 'it is about what is claimed: this page',
  },
  { id: '7.0.0-2', says: 'The same of clients', unseen: 'it binds the client' },
  {
    id: '7.1.1-1',
    says: 'A server needs no extension of its own to speak with other clients',
    unseen: 'those here, mosquitto_pub, mosquitto_sub and mqtt.js have none',
  },
];
