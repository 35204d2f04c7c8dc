import { connect, type Socket } from 'node:net';
import { expect } from '@jest/globals';
import { type Platform, request } from './platform.ts';

export type Answer = Awaited<ReturnType<typeof request>>;

/** Fields of a problem document that a test looks into. */
export type Problem = { code: string; errors?: { path: string; message: string }[]; retryAfterMs?: number };

/** Bound to one platform and one token. */
export function caller(platform: Platform, bearer: string | undefined) {
  return {
    get: (path: string) => request(platform, bearer, 'GET', path),
    post: (path: string, body: unknown) => request(platform, bearer, 'POST', path, body),
    put: (path: string, body: unknown) => request(platform, bearer, 'PUT', path, body),
  };
}

/** RFC 9457 with a stable code, and nothing of our insides. */
export function expectProblem({ status, headers, body }: Answer, wanted: number, code: string): Problem {
  expect({ status, body }).toEqual({
    status: wanted,
    body: expect.objectContaining({
      type: expect.any(String),
      title: expect.any(String),
      detail: expect.any(String),
      status: wanted,
      code,
    }),
  });
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json\b/);
  expect(JSON.stringify(body)).not.toMatch(/node_modules|\.[jt]s:\d|\bat \S+ \(|select |insert into/);
  return body as Problem;
}

export const wrongFields = ({ errors = [] }: Problem) => [...new Set(errors.map(({ path }) => path))].sort();

/** The whole answer, as text, to bytes that no HTTP client would send; until the server closes the connection. */
export function sendRaw(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = openRaw(port);
    readAll(socket).then(resolve, reject);
    socket.write(bytes);
  });
}

export function openRaw(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  // What was not read any more comes back as a reset: the answer before it is what counts
  socket.on('error', () => undefined);
  return socket;
}

export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks).toString();
}

/** A raw answer in parts. */
export function parseAnswer(text: string): Answer {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [statusLine = '', ...fields] = head.split('\r\n');
  const pairs = fields.map((field) => field.split(/: (.*)/).slice(0, 2) as [string, string]);
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: new Headers(pairs),
    body: body === '' ? undefined : JSON.parse(body),
  };
}
