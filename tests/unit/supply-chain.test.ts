import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import {
  isCompatible,
  type Lock,
  type LockedPackage,
  licenceDocument,
  nameOf,
  productionLicences,
} from '../../tools/licences/list.ts';

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const text = (path: string) => readFileSync(file(path), 'utf8');
const lock = JSON.parse(text('package-lock.json')) as Lock;
/** What npm installs, by path; a workspace of ours is a link. */
const installed = Object.entries(lock.packages).filter(
  ([path, { link }]) => path.includes('node_modules/') && link !== true,
);
const failing = (rule: (found: LockedPackage) => boolean) =>
  installed.filter(([, found]) => !rule(found)).map(([path]) => path);

describe('the lock file', () => {
  test('has the checksum of every package', () => {
    expect(installed.length).toBeGreaterThan(500);
    expect(failing(({ integrity }) => integrity?.startsWith('sha512-') === true)).toEqual([]);
  });

  test('knows of no source but the npm registry', () => {
    const isOfRegistry = ({ resolved, version = '' }: LockedPackage) =>
      /^\d+\.\d+\.\d+/.test(version) &&
      (resolved ?? 'https://registry.npmjs.org/').startsWith('https://registry.npmjs.org/');
    expect(failing(isOfRegistry)).toEqual([]);
  });

  test('has no install script but those that are explained, and none is run', () => {
    const names = failing(({ hasInstallScript }) => hasInstallScript !== true).map(nameOf);
    expect([...new Set(names)].toSorted()).toEqual([
      '@parcel/watcher',
      '@scarf/scarf',
      '@swc/core',
      'core-js',
      'cpu-features',
      'esbuild',
      'protobufjs',
      'ssh2',
    ]);
    expect(text('.npmrc')).toMatch(/^ignore-scripts=true$/m);
    expect(text('deploy/Dockerfile')).toMatch(/npm ci --ignore-scripts/);
  });

  test('has every optional package, also of other platforms: npm ci would fail there', () => {
    const missing = installed.flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => {
        const folders = path
          .split('/node_modules/')
          .map((_, at, parts) => parts.slice(0, at).join('/node_modules/'));
        const places = ['', `${path}/`, ...folders.filter(Boolean).map((folder) => `${folder}/`)];
        return !places.some((place) => lock.packages[`${place}node_modules/${name}`] !== undefined);
      }),
    );
    expect(missing).toEqual([]);
  });
});

describe('licences of what is installed for production', () => {
  const licensed = productionLicences(lock);

  test('go with ours', () => {
    expect(licensed.length).toBeGreaterThan(100);
    expect(licensed.filter(({ licence }) => !isCompatible(licence))).toEqual([]);
  });

  test.each(['GPL-3.0', 'AGPL-3.0-only', 'LGPL-2.1', '(GPL-2.0 OR LGPL-3.0)', 'UNLICENSED', 'BUSL-1.1', ''])(
    'would not: %s',
    (licence) => expect(isCompatible(licence)).toBe(false),
  );

  test('are those that the packages say themselves', () => {
    const said = (name: string): string | undefined => {
      const path = file(`node_modules/${name}/package.json`);
      if (!existsSync(path)) return undefined;
      const { license, version } = JSON.parse(readFileSync(path, 'utf8')) as {
        license?: string;
        version: string;
      };
      return `${version} ${license}`;
    };
    const byHand = ['decko', 'stickyfill', 'url-template'];
    // Those that are installed further in, or for other platforms only, are not there
    const known = licensed.filter(
      ({ name, version }) => !byHand.includes(name) && said(name)?.startsWith(`${version} `),
    );
    expect(known.length).toBeGreaterThan(100);
    for (const { name, version, licence } of known)
      expect([name, said(name)]).toEqual([name, `${version} ${licence}`]);
  });

  test('stand in THIRD-PARTY-LICENSES.md: npm run -s licences', () => {
    expect(text('THIRD-PARTY-LICENSES.md')).toBe(licenceDocument(lock));
  });
});

test.each(['dependencies', 'devDependencies'] as const)(
  'each of our own %s has its reason in the documents',
  (kind) => {
    const heading = kind === 'dependencies' ? '## In production' : '## For development';
    const section = text('docs/DEPENDENCIES.md').split(heading)[1]?.split('\n## ')[0] ?? '';
    const explained = [...section.matchAll(/^\| (`[^|]*`) *\|/gm)].flatMap(([, names = '']) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
    );
    expect(explained.toSorted()).toEqual(Object.keys(lock.packages['']?.[kind] ?? {}).toSorted());
  },
);
