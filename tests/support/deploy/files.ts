import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { variables } from '../../../shared/config/variables.ts';
import { healthAnswer } from '../../../shared/health.ts';

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

export const exists = (path: string): boolean => existsSync(join(ROOT, path));

export const packageJson = JSON.parse(read('package.json')) as {
  version: string;
  engines: { node: string };
};

/** What the image runs: `node dist/x.js …`, and x.ts is what `npm run build` makes it of. */
export function expectCommand(command: readonly string[] | undefined): void {
  const [program, script = ''] = command ?? [];
  expect(program).toBe('node');
  expect(script).toMatch(/^dist\/.*\.js$/);
  const source = script.replace(/^dist\//, '').replace(/\.js$/, '.ts');
  expect({ source, exists: exists(source) }).toEqual({ source, exists: true });
}

/** A path that every process answers on its metrics port. */
export async function expectHealthPath(path: string | undefined): Promise<void> {
  const health = { startedAt: Date.now(), report: async () => ({ status: 'ok', checks: {} }) };
  const answer = await healthAnswer(path ?? '', health as unknown as Parameters<typeof healthAnswer>[1]);
  expect({ path, status: answer?.status }).toEqual({ path, status: 200 });
}

/** Every one of them is read by the product. */
export function expectVariables(names: Iterable<string>): void {
  expect([...names].filter((name) => !(name in variables.properties))).toEqual([]);
}

/** A name and a tag that says which: two starts of it are the same program. */
export function expectFixedTag(image: string | undefined): void {
  expect(image).toMatch(/^[a-z0-9./-]+:v?\d+[.-]\d+[a-z0-9.-]*$/);
}
