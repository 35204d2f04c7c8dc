import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { variables } from '../../shared/config/variables.ts';
import { readConfig } from '../../shared/config.ts';

const text = readFileSync(fileURLToPath(new URL('../../.env.example', import.meta.url)), 'utf8');
const lines = text.split('\n');

/** All lines of it. */
function commentAbove(line: number): string {
  let first = line;
  while (lines[first - 1]?.startsWith('#')) first--;
  return lines.slice(first, line).join('\n');
}

const assignments = lines.flatMap((line, index) => {
  const [, name = '', value = ''] = /^([A-Z_]+)=(.*)$/.exec(line) ?? [];
  return name === '' ? [] : [{ name, value, comment: commentAbove(index) }];
});

/** It follows from the machine. */
const computed = new Set(['DATABASE_POOL_SIZE']);

describe('.env.example', () => {
  test('names every variable once, and no other', () => {
    expect(assignments.map(({ name }) => name).sort()).toEqual(Object.keys(variables.properties).sort());
  });

  test('gives every variable its default', () => {
    const defaults = new Map(
      Object.entries(variables.properties).map(([name, schema]) => [
        name,
        'default' in schema && !computed.has(name) ? String(schema.default) : '',
      ]),
    );
    const expected = assignments.map(({ name }) => [name, defaults.get(name)]);
    expect(assignments.map(({ name, value }) => [name, value])).toEqual(expected);
  });

  test('says of every variable what it is, in the lines above', () => {
    expect(assignments.filter(({ comment }) => !/^# \S.{9,}/.test(comment)).map(({ name }) => name)).toEqual(
      [],
    );
  });

  test('gives the unit of every number that has one', () => {
    const units: [RegExp, RegExp][] = [
      [/_MS$/, /milliseconds/i],
      [/_DAYS$/, /days/i],
      [/_PER_MINUTE$/, /a minute/i],
      [/_M$/, /metres/i],
      [/_SECONDS$/, /seconds/i],
      [/_BYTES$/, /bytes/i],
      [/_LENGTH$/, /characters/i],
    ];
    for (const { name, comment } of assignments)
      for (const [ending, unit] of units) if (ending.test(name)) expect(`${name}: ${comment}`).toMatch(unit);
  });

  test('copied to .env changes nothing', () => {
    expect(readConfig(parseEnv(text) as NodeJS.ProcessEnv)).toEqual(readConfig({}));
  });
});
