import { describe, expect, test } from '@jest/globals';
import { describeError } from '../../shared/telemetry/error.ts';

describe('an error in the log', () => {
  test('has its name, message, place and codes', () => {
    const error = Object.assign(new TypeError('no'), { code: '57P01', severity: 'FATAL', port: 5432 });
    expect(describeError(error)).toEqual({
      type: 'TypeError',
      message: 'no',
      stack: expect.stringContaining('log-errors.test'),
      code: '57P01',
      severity: 'FATAL',
      port: 5432,
    });
  });

  test('has nothing of the statement, its values, the row or the address that caused it', () => {
    const error = Object.assign(new Error('no'), {
      query: 'select 48.2',
      params: [48.2],
      values: [48.2],
      detail: 'Failing row contains (48.2)',
      where: 'unnamed portal with parameters: $1 = 48.2',
      input: 'postgres://fleet:48.2@db',
    });
    expect(JSON.stringify(describeError(new Error('outer', { cause: error })))).not.toContain('48.2');
  });

  test('has its causes, also when they go round in a circle', () => {
    const error = new Error('outer', { cause: new Error('inner') });
    expect(describeError(error)).toMatchObject({ message: 'outer', cause: { message: 'inner' } });
    error.cause = error;
    expect(JSON.stringify(describeError(error)).length).toBeLessThan(100_000);
  });

  test('may be anything that was thrown', () => {
    expect(describeError('text')).toEqual({ type: 'string', message: 'text' });
    expect(describeError(undefined)).toEqual({ type: 'undefined', message: 'undefined' });
  });
});
