import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { caller, expectProblem, openRaw, parseAnswer, readAll, sendRaw } from '../support/rest.ts';

let database: TestDatabase;
let platform: Platform;
let bearer: string;
let slowHeaders: Slow;
let slowBody: Slow;

type Slow = { socket: Socket; answer: Promise<string> };

/** Sends the beginning at once, then a byte a second: opened first and looked at last, as it takes its time. */
function dribble(beginning: string): Slow {
  const socket = openRaw(platform.ports.api);
  const answer = readAll(socket);
  socket.write(beginning);
  const timer = setInterval(() => socket.write('a'), 1000);
  socket.once('close', () => clearInterval(timer));
  return { socket, answer };
}

const head = (...more: string[]) =>
  [
    'POST /v1/drivers/driver-1/location HTTP/1.1',
    'Host: localhost',
    `Authorization: Bearer ${bearer}`,
    'Content-Type: application/json',
    ...more,
  ].join('\r\n');

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  bearer = await token('SERVICE', 'service-1');
  slowHeaders = dribble(head('X-Slow: '));
  slowBody = dribble(`${head('Content-Length: 1000')}\r\n\r\n{`);
});
afterAll(async () => {
  slowHeaders?.socket.destroy();
  slowBody?.socket.destroy();
  await platform?.stop();
  await database?.drop();
});

/** Everybody else is served. */
async function expectService(): Promise<void> {
  const { status } = await caller(platform, bearer).post('/v1/drivers/driver-1/location', {
    latitude: 1,
    longitude: 2,
  });
  expect(status).toBe(202);
}

describe('a client', () => {
  test('with 64 kB of headers is told 431', async () => {
    const answer = parseAnswer(
      await sendRaw(platform.ports.api, `${head(`X-Long: ${'a'.repeat(65_536)}`)}\r\n\r\n`),
    );
    expectProblem(answer, 431, 'HEADERS_TOO_LARGE');
    await expectService();
  });

  test('with a path of 1 MB is told 431', async () => {
    const path = `/v1/drivers/${'a'.repeat(1_048_576)}/location`;
    const answer = parseAnswer(await sendRaw(platform.ports.api, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`));
    expectProblem(answer, 431, 'HEADERS_TOO_LARGE');
    await expectService();
  });

  test.each([
    ['speaks no HTTP', '\x10\x0c\x00\x04MQTT\x04\x02\x00<\x00\x00'],
    ['speaks TLS', '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03'],
    ['gives two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'gives a length and chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['gives a length below zero', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n'],
    ['puts a line break into a header', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n'],
  ])('that %s is told 400, and the connection ends', async (_name, bytes) => {
    const answer = parseAnswer(await sendRaw(platform.ports.api, Buffer.from(bytes, 'latin1')));
    expectProblem(answer, 400, 'INVALID_PARAMETER');
    await expectService();
  });

  test('that hangs up in the middle of its body leaves no trace', async () => {
    const before = platform.output.length;
    for (let count = 0; count < 20; count++) {
      const socket = openRaw(platform.ports.api);
      socket.write(`${head('Content-Length: 1000')}\r\n\r\n{"latitude":`);
      await once(socket, 'connect');
      socket.destroy();
    }
    await expectService();
    expect(platform.output.slice(before).filter((line) => line.includes('"level":50'))).toEqual([]);
  });

  test('that sends its headers a byte a second is told 408', async () => {
    await expectService();
    expectProblem(parseAnswer(await slowHeaders.answer), 408, 'REQUEST_TIMEOUT');
  });

  test('that sends its body a byte a second is told 408', async () => {
    await expectService();
    expectProblem(parseAnswer(await slowBody.answer), 408, 'REQUEST_TIMEOUT');
  });
});
