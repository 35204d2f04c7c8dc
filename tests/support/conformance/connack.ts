import assert from 'node:assert/strict';
import { encode, openTcp, TYPE } from '../raw-mqtt.ts';
import { type ConnectFields, packet } from './packets.ts';
import type { Statement } from './statement.ts';

const _NOT_UTF8 = Buffer.from([0x61, 0xc0, 0xaf]);

/** A CONNECT as `fields` say is neither answered nor kept. */
const _refusedWithoutAnswer =
  (...all: readonly ConnectFields[]): NonNullable<Statement['check']> =>
  async (bench) => {
    for (const fields of all) assert.deepEqual(await bench.closes(bench.connect(fields)), []);
  };

const _will = { topic: 'a', payload: 'x' };

/** Chapters 3.1.4 and 3.2: what a CONNECT is answered. */
export const connack: readonly Statement[] = [
  {
    id: '3.1.4-1',
    says: 'A CONNECT that is not as it should be is not answered, and the connection is closed',
    async check(bench) {
      const { length } = bench.connect();
      const cut = bench.connect().subarray(2, length - 3);
      for (const bytes of [packet(0x10, cut), packet(0x10), bench.connect({ more: Buffer.from('x') })])
        assert.deepEqual(await bench.closes(bytes), []);
    },
  },
  {
    id: '3.1.4-2',
    says: 'A client with the same client id takes the place of the one that is connected',
    async check(bench) {
      const clientId = bench.clientId();
      const first = await bench.login({ clientId });
      const second = await bench.login({ clientId });
      await first.raw.closed;
      await second.ping();
    },
  },
  {
    id: '3.1.4-3',
    says: 'The session is clean or taken up as asked for',
    unseen: 'the statements on sessions say how: 3.1.2-4 to 3.1.2-7',
  },
  {
    id: '3.1.4-4',
    says: 'A CONNECT that is accepted gets CONNACK 0',
    check: async (bench) => assert.deepEqual(await bench.connack(bench.open(), bench.connect()), [0, 0]),
  },
  {
    id: '3.1.4-5',
    says: 'After a CONNECT that is refused nothing else is looked at',
    async check(bench) {
      const reader = await bench.login();
      await reader.subscribe([bench.topic, 1]);
      const connection = bench.open();
      const refused = bench.connect({ clientId: '', clean: false });
      connection.send(refused, encode.publish(bench.topic, bench.payloads[0], { qos: 1 }), encode.ping());
      await connection.closed;
      assert.deepEqual(
        connection.received.map(({ type }) => type),
        [TYPE.CONNACK],
      );
      await reader.publish(bench.topic, bench.payloads[1], { qos: 1 });
      assert.match((await reader.message()).payload, new RegExp(bench.payloads[1].slice(1, -1)));
    },
  },
  {
    id: '3.2.0-1',
    says: 'The first packet from the server is CONNACK',
    async check(bench) {
      const clientId = bench.clientId();
      const writer = await bench.login();
      const first = await bench.login({ clientId, clean: false });
      await first.subscribe([bench.topic, 0], [bench.anotherTopic(), 1]);
      await first.disconnect();
      // Messages come at every moment of the logins
      let count = 0;
      const busy = setInterval(
        () => writer.raw.send(encode.publish(bench.topic, bench.payloads[(count++ % 2) as 0 | 1])),
        1,
      );
      try {
        for (let times = 0; times < 20; times++) {
          const peer = await bench.login({ clientId, clean: false });
          assert(peer.sessionPresent);
          await peer.disconnect();
        }
      } finally {
        clearInterval(busy);
      }
    },
  },
  {
    id: '3.2.2-1',
    says: 'To a clean session CONNACK says that there was none',
    async check(bench) {
      const clientId = bench.clientId();
      const first = await bench.login({ clientId, clean: false });
      await first.subscribe([bench.topic, 1]);
      await first.disconnect();
      assert(!(await bench.login({ clientId, clean: true })).sessionPresent);
    },
  },
  {
    id: '3.2.2-2',
    says: 'Else CONNACK says whether there is a session',
    otherwise:
      'Of a session without a subscription nothing is kept but messages on their way, and CONNACK says that there was none.',
    async check(bench) {
      const clientId = bench.clientId();
      const first = await bench.login({ clientId, clean: false });
      await first.subscribe([bench.topic, 1]);
      await first.disconnect();
      assert((await bench.login({ clientId, clean: false })).sessionPresent);
      const bare = bench.clientId();
      await (await bench.login({ clientId: bare, clean: false })).disconnect();
      assert(!(await bench.login({ clientId: bare, clean: false })).sessionPresent);
    },
  },
  {
    id: '3.2.2-3',
    says: 'Where there is none, CONNACK says so',
    check: async (bench) => assert(!(await bench.login({ clean: false })).sessionPresent),
  },
  {
    id: '3.2.2-4',
    says: 'A CONNACK that refuses says that there is no session',
    on: 'platform',
    async check(bench) {
      const clientId = bench.clientId();
      const first = await bench.login({ clientId, clean: false });
      await first.subscribe([bench.topic, 1]);
      await first.disconnect();
      const bytes = bench.connect({ clientId, clean: false, password: 'wrong' });
      assert.deepEqual(await bench.connack(bench.open(), bytes), [0, 4]);
    },
  },
  {
    id: '3.2.2-5',
    says: 'After a CONNACK that refuses, the connection is closed',
    on: 'platform',
    async check(bench) {
      const connection = bench.keep(openTcp(bench.broker.port));
      assert.deepEqual(await bench.connack(connection, bench.connect({ password: 'wrong' })), [0, 4]);
      await connection.closed;
    },
  },
  {
    id: '3.2.2-6',
    says: 'Where no return code fits, the connection is closed without CONNACK',
    unseen: 'the codes for what is refused here fit (2, 3, 4 and 5)',
  },
];
