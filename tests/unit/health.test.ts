import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Health, healthAnswer } from '../../shared/health.ts';

let health: Health;

beforeEach(() => {
  jest.useFakeTimers();
  health = new Health();
});
afterEach(() => {
  jest.useRealTimers();
});

async function ask(path: string) {
  const answer = healthAnswer(path, health);
  await jest.advanceTimersByTimeAsync(2000);
  return answer;
}

describe.each(['/health', '/health/ready'])('%s', (path) => {
  test('is 200 when every part answers', async () => {
    health.add('database', async () => undefined);
    health.add('broker', async () => undefined);
    expect(await ask(path)).toEqual({
      status: 200,
      body: { status: 'ok', checks: { database: 'ok', broker: 'ok' }, uptimeSeconds: expect.any(Number) },
    });
  });

  test('is 503 when one does not, and names it without its words', async () => {
    health.add('database', async () => {
      throw Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:5432 as postgres'), {
        code: 'ECONNREFUSED',
      });
    });
    health.add('broker', async () => {
      throw new Error('secret');
    });
    health.add('rejects with nothing', () => Promise.reject());
    health.add('throws', () => {
      throw new Error('at once');
    });
    health.add('well', async () => undefined);
    expect(await ask(path)).toMatchObject({
      status: 503,
      body: {
        status: 'unavailable',
        checks: {
          database: 'ECONNREFUSED',
          broker: 'failed',
          'rejects with nothing': 'failed',
          throws: 'failed',
          well: 'ok',
        },
      },
    });
  });

  test('is 503 after 2 s when a part does not say anything, also if it does later', async () => {
    let answerLate: () => void = () => undefined;
    health.add(
      'database',
      () =>
        new Promise((resolve) => {
          answerLate = resolve;
        }),
    );
    health.add(
      'redis',
      () => new Promise((_, reject) => setTimeout(() => reject(new Error('late')), 60_000)),
    );
    const answer = await ask(path);
    answerLate();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(answer).toMatchObject({
      status: 503,
      body: { checks: { database: 'no answer within 2000 ms', redis: 'no answer within 2000 ms' } },
    });
    expect(jest.getTimerCount()).toBe(0);
  });

  test('is 503 again and again as long as it lasts, and 200 after', async () => {
    let broken = true;
    health.add('database', async () => {
      if (broken) throw new Error('away');
    });
    expect(await ask(path)).toMatchObject({ status: 503 });
    expect(await ask(path)).toMatchObject({ status: 503 });
    broken = false;
    expect(await ask(path)).toMatchObject({ status: 200 });
  });
});

test('a process is alive whatever its parts say, and knows for how long', async () => {
  health.add('database', () => Promise.reject(new Error('away')));
  await jest.advanceTimersByTimeAsync(88_000);
  expect(await ask('/health/live')).toEqual({ status: 200, body: { status: 'ok', uptimeSeconds: 88 } });
});

test.each(['/', '/healthy', '/health/', '/health/other', '/metrics'])(
  '%s is not about health',
  async (path) => {
    expect(await ask(path)).toBeUndefined();
  },
);
