import { afterAll, beforeAll, test } from '@jest/globals';
import { Stage } from '../support/chaos/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start('servers killed');
}, 180_000);
afterAll(() => stage?.stop(), 60_000);

for (const [server, name] of [
  ['redis', 'kill -9 of Redis (appendfsync always)'],
  ['postgres', 'kill -9 of PostgreSQL'],
] as const)
  test(name, async () => {
    await stage.fault({ name, spanMs: 6000 }, async () => {
      stage.servers[server].server.signal();
      await stage.servers[server].server.start();
    });
  }, 240_000);
