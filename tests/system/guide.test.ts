import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fileNameOf, printed, type Snippet, snippetsOf } from '../support/guide.ts';
import { type Reader, startReader } from '../support/guide-reader.ts';
import { goesOn, type Run, until } from '../support/guide-terminal.ts';
import { needPrograms } from '../support/services/programs.ts';

/*
 * Somebody pastes the README and then the guide, from top to bottom, with the platform that they have started. Beside the ports one thing differs: less
 * time between live positions, as every wait for it is one of the tests.
 */
const settings = { LOCATION_MIN_INTERVAL_MS: '2000' };

/** README's second position may well come too early: it says so. Nothing else is to be refused where the page does not show it. */
const REFUSED = /urn:fleetcast:problem:(?!RATE_LIMITED)/;

const readme = snippetsOf('README.md');
const guide = snippetsOf('docs/API.md');
const [start, ...rest] = readme;

/** What is run elsewhere, or can not be run here. */
const ELSEWHERE = [
  // tests/system/simulate.test.ts
  /^npm run simulate/,
  // Another server; every test with a database of its own starts so
  /^DATABASE_URL=/,
  // tests/system/cluster-trip.test.ts
  /--role broker/,
  // What it starts: tests/system/container-image.test.ts
  /docker compose up/,
  // Days that are over: tests/integration/retention*.test.ts
  /^zcat archive\//,
  /^psql "\$DATABASE_URL"/,
  // This is it
  /npm test/,
];
const isHere = ({ code }: Snippet) => !ELSEWHERE.some((pattern) => pattern.test(code));

let reader: Reader;

beforeAll(async () => {
  await needPrograms('mosquitto_pub', 'mosquitto_sub', 'curl', 'stdbuf');
  // The packages are there: to install them again would take them away from the tests
  reader = await startReader(start?.code.replace('npm ci\n', '') ?? '', settings);
}, 300_000);
afterAll(() => reader?.stop());

function paste(page: readonly Snippet[]): void {
  const followed: { snippet: Snippet; run: Run }[] = [];

  test.each(page.map((snippet) => [snippet.at, snippet] as const))(
    'what stands at %s works',
    async (_at, snippet) => {
      if (snippet.language === 'js') return void (await reader.save(fileNameOf(snippet), snippet.code));
      const code = reader.here(snippet.code);
      if (goesOn(code)) return void followed.push({ snippet, run: await reader.terminal.follow(code) });
      const output = await (await reader.terminal.run(code)).output();
      if (snippet.expected === undefined) expect(output).not.toMatch(REFUSED);
      else expect(output).toMatch(printed(snippet.expected, 'all'));
    },
  );

  test('what goes on has shown what came meanwhile', async () => {
    expect(followed.length).toBeGreaterThan(0);
    for (const { snippet, run } of followed) {
      const shown = snippet.expected === undefined ? /./ : printed(snippet.expected, 'so far');
      await until(async () => shown.test(await run.output()), run);
    }
  });
}

describe('the README', () => {
  test('leaves out nothing but what is run elsewhere', () => {
    expect(readme.filter((snippet) => !isHere(snippet))).toHaveLength(ELSEWHERE.length);
    expect(start?.code).toBe('npm ci\nnpm start');
  });
  paste(rest.filter(isHere));
});

describe('the guide', () => paste(guide));
