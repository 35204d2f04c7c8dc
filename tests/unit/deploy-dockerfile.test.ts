import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readConfig } from '../../shared/config.ts';
import { environmentOf, readDockerfile, type Stage } from '../support/deploy/dockerfile.ts';
import {
  exists,
  expectCommand,
  expectFixedTag,
  expectHealthPath,
  expectVariables,
  read,
} from '../support/deploy/files.ts';

const stages = readDockerfile();
const [build, image] = stages as [Stage, Stage];
const stepsOf = (stage: Stage, keyword: string) => stage.steps.filter((step) => step.keyword === keyword);
const wordsOf = (stage: Stage, keyword: string) => stepsOf(stage, keyword).map(({ words }) => words);

describe('deploy/Dockerfile', () => {
  test('builds in one stage and runs in another, both on a Node with a fixed tag', () => {
    expect(stages.map(({ name }) => name)).toEqual(['build', undefined]);
    for (const stage of stages) expectFixedTag(stage.image);
    expect(image.image).toBe(build.image);
    const [major, minor] = /^node:(\d+)\.(\d+)-/.exec(image.image)?.slice(1).map(Number) ?? [];
    expect(major).toBe(20);
    expect(minor).toBeGreaterThanOrEqual(19);
  });

  test('copies what is there, and what .dockerignore lets through', () => {
    const kept = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = stages
      .flatMap((stage) => stepsOf(stage, 'COPY'))
      .filter(({ flags }) => flags.from === undefined)
      .flatMap(({ words }) => words.slice(0, -1));
    expect(copied.filter((path) => !exists(path))).toEqual([]);
    expect([...kept].sort()).toEqual([...copied].sort());
  });

  test('takes from the build only what its steps have made', () => {
    const workdir = wordsOf(build, 'WORKDIR')[0]?.[0] ?? '';
    const taken = stepsOf(image, 'COPY').filter(({ flags }) => flags.from === 'build');
    expect(taken.map(({ words }) => words[0])).toEqual([
      join(workdir, 'node_modules'),
      join(workdir, 'dist'),
    ]);
  });

  test('installs from the lock file, and leaves only what runs', () => {
    const commands = wordsOf(build, 'RUN').map(([command]) => command);
    expect(commands[0]).toMatch(/^npm ci /);
    expect(commands[1]).toBe('npm run build');
    expect(commands[2]).toMatch(/^npm prune --omit=dev /);
  });

  test('is nobody special, by number', () => {
    expect(wordsOf(image, 'USER')).toEqual([['1000:1000']]);
    expect(image.steps.findIndex(({ keyword }) => keyword === 'USER')).toBeGreaterThan(
      image.steps.findLastIndex(({ keyword }) => keyword === 'RUN'),
    );
  });

  test('listens everywhere, on the ports that it says', () => {
    const { NODE_ENV, ...environment } = environmentOf(image);
    expectVariables(Object.keys(environment));
    expect(NODE_ENV).toBe('production');
    const { host, mqtt, api, metrics } = readConfig(environment);
    expect(host).toBe('0.0.0.0');
    expect(wordsOf(image, 'EXPOSE')).toEqual([[mqtt.port, mqtt.wsPort, api.port, metrics.port].map(String)]);
  });

  test('starts the process, and asks it whether it is alive', async () => {
    expectCommand(wordsOf(image, 'CMD')[0]);
    const [command] = wordsOf(image, 'HEALTHCHECK');
    expectCommand(command);
    expect(command?.at(-1)).toBe('/health/live');
    await expectHealthPath(command?.at(-1));
  });
});

test('.dockerignore begins with everything', () => {
  const [first] = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(first).toBe('*');
});
