import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { position } from '../support/fleet.ts';
import { request, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { expectProblem } from '../support/rest.ts';

let cluster: PlatformCluster;
let service: string;

beforeAll(async () => {
  cluster = await PlatformCluster.start({ brokers: 0, ingests: 0, apis: 1 });
  service = await token('SERVICE', 'privacy');
}, 120_000);
afterAll(() => cluster?.stop());

const call = (method: string, path: string, body?: unknown) =>
  request(cluster.api, service, method, path, body);

test('what still waits in the log is erased too: an erasure waits for it, and says so where it waits in vain', async () => {
  const batch = [1, 2, 3].map((second) => position({ recordedAt: Date.now() - second * 1000 }));
  expect(await call('POST', '/v1/drivers/bob/locations', batch)).toMatchObject({ status: 202 });
  // Nobody takes it out
  const refused = await call('DELETE', '/v1/drivers/bob/history');
  expectProblem(refused, 503, 'UNAVAILABLE');
  expect(refused.headers.get('retry-after')).toBe('5');

  const [erased] = await Promise.all([call('DELETE', '/v1/drivers/bob/history'), cluster.add('ingest')]);
  if (erased.status === 503)
    expect(await call('DELETE', '/v1/drivers/bob/history')).toMatchObject({ status: 204 });
  else expect(erased.status).toBe(204);
  expect(await call('GET', '/v1/drivers/bob/history')).toMatchObject({ body: { items: [] } });
  expect(await call('POST', '/v1/drivers/bob/locations', batch)).toMatchObject({ body: { accepted: 3 } });
});
