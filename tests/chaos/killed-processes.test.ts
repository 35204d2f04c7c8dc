import { afterAll, beforeAll, test } from '@jest/globals';
import { Stage } from '../support/chaos/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start('processes killed');
}, 180_000);
afterAll(() => stage?.stop(), 60_000);

for (const [role, name] of [
  ['broker', 'kill -9 of a broker'],
  ['ingest', 'kill -9 of an ingest worker'],
  ['api', 'kill -9 of the api'],
] as const)
  test(name, async () => {
    await stage.fault({ name, spanMs: 6000, mayRepeatStatuses: role !== 'api' }, () =>
      stage.killAndReplace(role),
    );
  }, 240_000);
