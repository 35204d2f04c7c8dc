import { expect, test } from '@jest/globals';
import type { Request, Response } from 'express';
import { loggablePath, problemHandler } from '../../api/problem.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import { token } from '../support/platform.ts';

test('a path with a token in it is logged without, wherever the token stands', async () => {
  const bearer = await token('DRIVER', 'd', { ttlSeconds: 1 });
  for (const [path, logged] of [
    [`/osmand/${bearer}`, '/osmand/…'],
    [`/owntracks/${bearer}/`, '/owntracks/…/'],
    [`/v1/osmand/${bearer}/${bearer}`, '/v1/osmand/…/…'],
    [`/${encodeURIComponent(bearer)}x`, '/…'],
  ] as const)
    expect(loggablePath(path)).toBe(logged);
});

test('a path with ids in it is logged as it is', () => {
  const path = `/v1/drivers/${'d'.repeat(64)}/trips/3f2b8c1e-0d5a-4c8e-9a51-5f0c2a7d9e10`;
  expect(loggablePath(path)).toBe(path);
});

test('a request that fails for an unknown reason is logged without its token', async () => {
  const bearer = await token('DRIVER', 'd');
  const lines: string[] = [];
  const log = { error: (...parts: unknown[]) => lines.push(JSON.stringify(parts)) };
  const answers: unknown[] = [];
  const response = {
    headersSent: false,
    setHeader: () => response,
    status: () => response,
    type: () => response,
    send: (body: unknown) => answers.push(body),
  };
  problemHandler(log as unknown as Logger)(
    new Error('unheard of'),
    { method: 'POST', path: `/owntracks/${bearer}` } as Request,
    response as unknown as Response,
    () => undefined,
  );
  expect(lines).toEqual([expect.stringContaining('"path":"/owntracks/…"')]);
  expect(lines.join()).not.toContain(bearer);
  expect(answers.join()).not.toContain(bearer);
});
