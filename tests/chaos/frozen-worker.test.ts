import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Stage } from '../support/chaos/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start('an ingest worker frozen');
}, 180_000);
afterAll(() => stage?.stop(), 60_000);

const TOOK_OVER = 'took over what another worker had under way';

test('an ingest worker is frozen until its work was claimed, and wakes up', async () => {
  const name = 'ingest worker frozen, its work claimed, woken up';
  await stage.fault({ name, spanMs: 10_000 }, async () => {
    const [frozen, other] = stage.processes('ingest');
    if (frozen === undefined || other === undefined) throw new Error('two workers are needed');
    // Asleep in the midst of a batch or not: it may take some tries until it had something under way
    for (let tries = 0; tries < 5; tries++) {
      frozen.process.kill('SIGSTOP');
      await stage.pause(6500, 7000);
      const isClaimed = other.output.some((line) => line.includes(TOOK_OVER));
      frozen.process.kill('SIGCONT');
      if (isClaimed) return;
      await stage.pause(50, 500);
    }
    expect(other.output).toContainEqual(expect.stringContaining(TOOK_OVER));
  });
}, 240_000);
