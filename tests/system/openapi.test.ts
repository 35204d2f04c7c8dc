import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';

type Operation = {
  operationId: string;
  parameters?: { name: string; in: string }[];
  responses: Record<
    string,
    { content?: Record<string, { schema?: object; example?: unknown; examples?: object }> }
  >;
};
type Document = { openapi: string; paths: Record<string, Record<string, Operation>> };

let database: TestDatabase;
let platform: Platform;
let document: Document;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  document = (await request(platform, undefined, 'GET', '/openapi.json')).body as Document;
});

afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

/** SPEC section 8, written by hand. */
const contract = [
  'POST /v1/drivers/{}/location',
  'POST /v1/drivers/{}/locations',
  'GET /v1/drivers/{}/location',
  'PUT /v1/drivers/{}/status',
  'GET /v1/drivers/{}/history',
  'GET /v1/drivers/{}/trip',
  'GET /v1/drivers/nearby',
  'POST /v1/trips',
  'GET /v1/trips/{}',
  'GET /v1/trips',
  'PATCH /v1/trips/{}',
  'PATCH /v1/trips/{}/status',
  'GET /v1/trips/{}/events',
  'GET /v1/trips/{}/track',
  'GET /v1/trips/{}/live',
  'POST /v1/trips/{}/share',
  'DELETE /v1/trips/{}',
  'DELETE /v1/drivers/{}/history',
  'GET /v1/connections',
  'DELETE /v1/connections/{}',
  'POST /v1/revocations',
];

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(
      structuredClone(document) as unknown as Record<string, unknown>,
    );
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
    expect(document.openapi).toBe('3.1.0');
  });

  test('has every route of the contract', () => {
    const described = operations().map(
      ({ path, method }) => `${method.toUpperCase()} ${path.replace(/\{\w+\}/g, '{}')}`,
    );
    expect(described).toEqual(expect.arrayContaining(contract));
  });

  test('has no route that the server does not know, and the server knows no other method there', async () => {
    const service = await token('SERVICE', 'booking');
    for (const [path, methods] of Object.entries(document.paths)) {
      const concrete = path.replace(/\{\w+\}/g, 'x');
      const { headers } = await request(platform, service, 'OPTIONS', concrete);
      const allowed = (headers.get('allow') ?? '').split(', ').filter((method) => method !== 'HEAD');
      expect({ path, allowed }).toEqual({
        path,
        allowed: Object.keys(methods)
          .map((method) => method.toUpperCase())
          .sort(),
      });
    }
  });

  test('names every operation once, and gives an example of every JSON answer', () => {
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, method, operation } of operations())
      for (const [status, { content = {} }] of Object.entries(operation.responses))
        for (const [mediaType, media] of Object.entries(content))
          expect({ path, method, status, mediaType, example: media.example ?? media.examples }).toEqual({
            path,
            method,
            status,
            mediaType,
            example: expect.anything(),
          });
  });

  test.each(['/openapi.json', '/asyncapi.json', '/docs', '/redoc'])('%s needs no token', async (path) => {
    expect((await request(platform, undefined, 'GET', path)).status).toBe(200);
  });

  test.each(['/docs', '/redoc'])('%s names no outside host, and its policy lets none in', async (path) => {
    const { body, headers } = await request(platform, undefined, 'GET', path);
    expect(body).not.toMatch(/https?:\/\//);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toMatch(/https?:|\*|unsafe/);
  });
});

describe('the AsyncAPI document', () => {
  test('has every topic of the contract, and which way messages go', async () => {
    const { channels, operations: asyncOperations } = (
      await request(platform, undefined, 'GET', '/asyncapi.json')
    ).body as {
      channels: Record<string, { address: string }>;
      operations: Record<string, { action: string; channel: { $ref: string } }>;
    };
    const ways = Object.values(asyncOperations).map(
      ({ action, channel }) =>
        `${action} ${channels[channel.$ref.split('/').at(-1) ?? '']?.address.replace(/\{\w+\}/g, '{}')}`,
    );
    expect(ways).toEqual(
      expect.arrayContaining([
        'receive drivers/{}/location',
        'receive drivers/{}/locations',
        'receive drivers/{}/status',
        'receive session/token',
        'receive trips/{}/transition',
        'send trips/{}/location',
        'send trips/{}/status',
        'send drivers/{}/location',
        'send drivers/{}/status',
        'send drivers/{}/trips',
        'send riders/{}/trips',
        'send drivers/{}/errors',
        'send riders/{}/errors',
      ]),
    );
  });
});
