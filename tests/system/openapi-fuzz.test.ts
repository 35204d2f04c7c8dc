import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { DescribedApi } from '../support/described.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { type FuzzRequest, type OpenApi, requestsOf } from '../support/openapi-requests.ts';
import { request, token } from '../support/platform.ts';
import { tripDesk } from '../support/trips.ts';

const REQUESTS = 2000;
const AT_ONCE = 20;
/** The same requests each time: what is found here is to be found again. */
const SEED = 20261124;

/** Rules that the document has words for only: what is valid by its schemas may break them. */
const MORE_RULES: Record<string, string> = {
  getOsmAnd: 'numbers are text in a query',
  getOsmAndByUrl: 'numbers are text in a query',
  postOsmAnd: 'numbers may be text',
  postOsmAndByUrl: 'numbers may be text',
};

/** What nobody gets whose request is as the document wants it. */
const REFUSED = new Set([400, 401, 403, 405, 413, 415]);

let fleet: Fleet;
let document: OpenApi;
let described: DescribedApi;
let bearer: string;
let validBody: Map<string, ValidateFunction>;
const statuses = new Map<number, number>();

beforeAll(async () => {
  fleet = await startFleet();
  document = (await request(fleet.platform, undefined, 'GET', '/openapi.json')).body as OpenApi;
  described = await DescribedApi.of(fleet.platform.urls.rest);
  bearer = await token('SERVICE', 'fuzz');
  validBody = bodyValidators();
});
afterAll(() => fleet?.stop());

/** Of the operations whose body is JSON and nothing else, by their ids. */
function bodyValidators(): Map<string, ValidateFunction> {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'http://document.local/openapi.json', components: document.components });
  const validators = new Map<string, ValidateFunction>();
  for (const [path, methods] of Object.entries(document.paths))
    for (const { operationId, requestBody } of Object.values(methods)) {
      const schema = requestBody?.content['application/json']?.schema;
      // A batch is taken whatever is in it, and says of each row what became of it
      if (schema === undefined || !path.startsWith('/v1/') || operationId === 'sendBacklog') continue;
      const absolute = JSON.stringify(schema).replaceAll('"#/', '"http://document.local/openapi.json#/');
      validators.set(operationId, ajv.compile(JSON.parse(absolute) as object));
    }
  return validators;
}

const isJson = (type: string | null) => /[/+]json\b/.test(type ?? '');

async function send({
  method,
  path,
  headers,
  body,
}: FuzzRequest): Promise<{ status: number; body: unknown }> {
  const url = new URL(`${fleet.platform.urls.rest}${path}`);
  const controller = new AbortController();
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${bearer}`, ...headers },
    ...(body === undefined || method === 'OPTIONS' ? {} : { body }),
    signal: controller.signal,
  });
  const type = response.headers.get('content-type');
  let parsed: unknown;
  // It would end with its trip
  if (type?.startsWith('text/event-stream')) controller.abort();
  else {
    const text = await response.text();
    parsed = text !== '' && isJson(type) ? JSON.parse(text) : text;
  }
  described.check(method, url.pathname, response.status, type, parsed);
  statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
  return { status: response.status, body: parsed };
}

function bodyFits({ operationId, body }: FuzzRequest): boolean {
  const validate = validBody.get(operationId);
  if (validate === undefined || body === undefined) return true;
  try {
    return validate(JSON.parse(body));
  } catch {
    return false;
  }
}

async function hold(sent: FuzzRequest): Promise<void> {
  const answer = await send(sent).catch((error: Error) => {
    throw new Error(`${error.message}, of ${JSON.stringify(sent)}`);
  });
  const seen = () => JSON.stringify({ answer, sent });
  if (answer.status >= 500) throw new Error(`failed: ${seen()}`);
  if (sent.isValid && !(sent.operationId in MORE_RULES) && REFUSED.has(answer.status))
    throw new Error(`refused, though the document allows it: ${seen()}`);
  if (!bodyFits(sent) && answer.status < 400 && sent.method !== 'OPTIONS')
    throw new Error(`taken, though the document does not allow it: ${seen()}`);
}

test(`${REQUESTS} requests made of the document, whole and broken, are all answered as it says`, async () => {
  const desk = tripDesk(fleet.platform);
  const trips = [
    await desk.bookIn('EN_ROUTE', { driverId: 'fuzz-1' }),
    await desk.bookIn('COMPLETED', { driverId: 'fuzz-2' }),
    await desk.book({}),
  ];
  const known = {
    tripId: trips.map(({ id }) => id),
    driverId: ['fuzz-1', 'fuzz-2', 'fuzz-3'],
    connectionId: ['0197f9a0-0000-7000-8000-000000000000'],
    token: [await token('DRIVER', 'fuzz-4')],
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(requestsOf(document, known), { minLength: AT_ONCE, maxLength: AT_ONCE, size: 'max' }),
      async (requests) => {
        await Promise.all(requests.map(hold));
      },
    ),
    { numRuns: REQUESTS / AT_ONCE, seed: SEED, endOnFailure: true },
  );
  // Of each kind there were many, or nothing was tried
  const count = (from: number, to: number) =>
    [...statuses].reduce((sum, [status, times]) => (status >= from && status < to ? sum + times : sum), 0);
  expect(count(200, 300)).toBeGreaterThan(REQUESTS / 5);
  expect(count(400, 500)).toBeGreaterThan(REQUESTS / 5);
  const { status } = await request(fleet.platform, undefined, 'GET', '/health/ready');
  expect(status).toBe(200);
});
