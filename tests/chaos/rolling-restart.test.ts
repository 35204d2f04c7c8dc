import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Stage } from '../support/chaos/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start('rolling restart', { apis: 2 });
}, 180_000);
afterAll(() => stage?.stop(), 60_000);

test('every process is stopped and started, one after the other, under load: each ends with 0, and no client meets more than a lost connection', async () => {
  const load = await stage.fault({ name: 'rolling restart of every process', spanMs: 24_000 }, async () => {
    for (const role of ['ingest', 'broker', 'api'] as const)
      for (let left = stage.processes(role).length; left > 0; left--) {
        // The first: the one that is put in its place goes to the end
        const [oldest] = stage.processes(role);
        if (oldest === undefined) throw new Error(`there is no ${role}`);
        // It gives itself 25 s (shared/lifecycle.ts), and ends with 1 when they are over
        expect({ role, status: await stage.cluster.end(role) }).toEqual({ role, status: 0 });
        await stage.cluster.replace(role, oldest);
        await stage.pause(200, 800);
      }
  });
  for (const retried of load.dispatch.retried) expect(retried).toMatch(/fetch failed|ECONN|UND_ERR_SOCKET/);
}, 240_000);
