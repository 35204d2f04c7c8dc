import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const tests = new URL('../', import.meta.url);
const text = readFileSync(new URL('abuse/README.md', tests), 'utf8');
const rows = text
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, name = '']) => name !== 'Case' && !/^-+$/.test(name))
  .map(([, name = '', answer = '', files = '']) => ({
    name,
    answer,
    files: [...files.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file),
  }));

test('every case of the index has an answer and a test, and every test is there', () => {
  expect(rows.length).toBeGreaterThan(60);
  for (const { name, answer, files } of rows) {
    expect({ name, hasAnswer: answer !== '', hasTest: files.length > 0 }).toEqual({
      name,
      hasAnswer: true,
      hasTest: true,
    });
    expect(files.filter((file) => !/\.test\.ts$/.test(file) || !existsSync(new URL(file, tests)))).toEqual(
      [],
    );
  }
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
});

test('every test of abuse is in the index', () => {
  const named = new Set(rows.flatMap(({ files }) => files));
  const there = readdirSync(new URL('abuse', tests)).filter((file) => file.endsWith('.test.ts'));
  expect(there.filter((file) => !named.has(`abuse/${file}`))).toEqual([]);
});

test('every link leads somewhere', () => {
  const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, link = '']) => link);
  expect(links.filter((link) => !existsSync(new URL(link, new URL('abuse/', tests))))).toEqual([]);
});
