import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Aedes } from 'aedes';
import { Connection } from '../../tools/shared/connection.ts';

let aedes: Aedes;
let server: Server;
let sockets: Set<Socket>;
let happened: string[];
let waiting: (() => void)[];
let connection: Connection;

const happens = (what: string): void => {
  happened.push(what);
  for (const check of waiting.splice(0)) check();
};

/** Waits until something has happened so many times. */
async function until(what: string, times = 1): Promise<void> {
  while (happened.filter((each) => each === what).length < times)
    await new Promise<void>((resolve) => waiting.push(resolve));
}

beforeEach(async () => {
  happened = [];
  waiting = [];
  sockets = new Set();
  aedes = await Aedes.createBroker({
    authorizeSubscribe: (_client, subscription, callback) =>
      callback(null, subscription.topic.startsWith('secret/') ? null : subscription),
  });
  server = createServer((socket) => {
    sockets.add(socket);
    aedes.handle(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  connection = new Connection(
    { url, token: 'x', program: 'test', filters: ['a/#', 'secret/b'] },
    {
      up: () => happens('up'),
      reconnected: () => happens('reconnected'),
      lost: () => happens('lost'),
      subscribed: (filter) => happens(`subscribed ${filter}`),
      refused: (filter) => happens(`refused ${filter}`),
      message: (topic, payload, retained) => happens(`message ${topic} ${payload} ${retained}`),
      failed: (error) => happens(`failed ${error.message}`),
      note: () => undefined,
    },
  );
});

afterEach(async () => {
  await connection.close(true);
  for (const socket of sockets) socket.destroy();
  server.close();
  await new Promise<void>((resolve) => aedes.close(resolve));
});

describe('the connection of a tool', () => {
  test('comes up although one of its subscriptions is refused, and says which', async () => {
    await connection.open();
    expect(happened).toEqual(['subscribed a/#', 'refused secret/b', 'up']);
  });

  test('subscribes to everything again when it was lost, but not to what was refused', async () => {
    await connection.open();
    connection.subscribe('later/x');
    await until('subscribed later/x');
    for (const socket of sockets) socket.destroy();
    await until('up', 2);
    expect(happened.slice(4)).toEqual(['lost', 'reconnected', 'subscribed a/#', 'subscribed later/x', 'up']);
  });

  test('receives what it is subscribed to, and nothing any more once it is not', async () => {
    await connection.open();
    connection.subscribe('b/x');
    await until('subscribed b/x');
    const publish = (topic: string) =>
      connection.publish({ topic, payload: '1' }, () => happens(`published ${topic}`));
    publish('b/x');
    await until('message b/x 1 false');
    connection.unsubscribe('b/x');
    publish('b/x');
    publish('a/x');
    await until('message a/x 1 false');
    expect(happened.filter((what) => what.startsWith('message b/x'))).toHaveLength(1);
  });
});
