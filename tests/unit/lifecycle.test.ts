import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Lifecycle, type SignalSource, stopOnSignals } from '../../shared/lifecycle.ts';
import { createLogger } from '../../shared/telemetry/log.ts';

const silent = createLogger('silent');

let events: string[];
let lifecycle: Lifecycle;

beforeEach(() => {
  jest.useFakeTimers();
  events = [];
  lifecycle = new Lifecycle(silent);
});
afterEach(() => {
  jest.useRealTimers();
});

/** A part that takes a while to stop. */
function part(name: string, ms = 10, fails = false): void {
  lifecycle.started(name, async () => {
    events.push(`${name} stops`);
    await new Promise((resolve) => setTimeout(resolve, ms));
    if (fails) throw new Error(name);
    events.push(`${name} stopped`);
  });
}

describe('what was started', () => {
  test('is stopped the other way round, one after the other', async () => {
    part('database');
    part('broker');
    part('api');
    const stopped = lifecycle.stop();
    await jest.runAllTimersAsync();
    await stopped;
    expect(events).toEqual([
      'api stops',
      'api stopped',
      'broker stops',
      'broker stopped',
      'database stops',
      'database stopped',
    ]);
  });

  test('is stopped also when a part of it can not be', async () => {
    part('database');
    part('broker', 10, true);
    lifecycle.started('throws', () => {
      throw new Error('at once');
    });
    const stopped = lifecycle.stop();
    await jest.runAllTimersAsync();
    await stopped;
    expect(events).toEqual(['broker stops', 'database stops', 'database stopped']);
  });

  test('is stopped once, however often that is asked for', async () => {
    part('database');
    const stops = [lifecycle.stop(), lifecycle.stop()];
    await jest.runAllTimersAsync();
    await Promise.all([...stops, lifecycle.stop()]);
    expect(events).toEqual(['database stops', 'database stopped']);
  });
});

describe('a process', () => {
  let source: EventEmitter;
  let end: (status: number) => void;
  beforeEach(() => {
    source = new EventEmitter();
    end = stopOnSignals(lifecycle, silent, source as unknown as SignalSource, (status) =>
      events.push(`exit ${status}`),
    );
    part('database', 1000);
  });

  test.each([
    ['SIGTERM', 0],
    ['SIGINT', 0],
    ['uncaughtException', 1],
    ['unhandledRejection', 1],
  ])('stops everything on %s, and ends with status %i', async (signal, status) => {
    source.emit(signal, signal.startsWith('un') ? new Error('nobody caught it') : signal);
    await jest.advanceTimersByTimeAsync(999);
    expect(events).toEqual(['database stops']);
    await jest.advanceTimersByTimeAsync(1);
    expect(events).toEqual(['database stops', 'database stopped', `exit ${status}`]);
  });

  test('stops once, with the status of what came first', async () => {
    source.emit('SIGTERM');
    source.emit('SIGINT');
    source.emit('unhandledRejection', new Error('late'));
    end(1);
    await jest.advanceTimersByTimeAsync(1000);
    expect(events).toEqual(['database stops', 'database stopped', 'exit 0']);
  });

  test('ends when it is told to', async () => {
    end(3);
    await jest.advanceTimersByTimeAsync(1000);
    expect(events).toEqual(['database stops', 'database stopped', 'exit 3']);
  });

  test('ends with status 1 when stopping takes longer than a container is given', async () => {
    part('stuck', 10 * 60_000);
    source.emit('SIGTERM');
    await jest.advanceTimersByTimeAsync(20_000);
    expect(events).toEqual(['stuck stops']);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(events).toEqual(['stuck stops', 'exit 1']);
  });
});
