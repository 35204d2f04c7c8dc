/** A package of package-lock.json (version 3): what matters here. */
export type LockedPackage = {
  version?: string;
  license?: string;
  dev?: boolean;
  optional?: boolean;
  link?: boolean;
  resolved?: string;
  integrity?: string;
  hasInstallScript?: boolean;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
};
export type Lock = { packages: Record<string, LockedPackage> };

export type Licensed = {
  name: string;
  version: string;
  /** SPDX, as the package says itself or as it was read in its LICENSE file. */
  licence: string;
  /** Dependencies of ours that bring it. */
  broughtBy: string[];
};

const MODULES = 'node_modules/';

export const nameOf = (path: string) => path.slice(path.lastIndexOf(MODULES) + MODULES.length);

/** Those whose package.json says nothing, or nothing exact: their LICENSE file does. */
const readByHand: Readonly<Record<string, string>> = {
  decko: 'MIT',
  stickyfill: 'MIT',
  'url-template': 'BSD-3-Clause',
};

/** They ask for their notice to be kept and no more, so they go with Apache-2.0 (ours). */
const compatible = new Set([
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'Python-2.0',
]);

/** An SPDX expression; of those that are offered (`OR`) one is enough. */
export const isCompatible = (licence: string): boolean =>
  licence
    .replace(/^\(|\)$/g, '')
    .split(' OR ')
    .some((choice) => compatible.has(choice));

/** All that is installed for production, by name. */
export function productionLicences({ packages }: Lock): Licensed[] {
  const bringers = new Map<string, Set<string>>();
  for (const direct of Object.keys(packages['']?.dependencies ?? {}))
    for (const path of reach(packages, resolve(packages, '', direct)))
      bringers.set(path, (bringers.get(path) ?? new Set()).add(direct));
  return Object.entries(packages)
    .filter(([path, { dev, link }]) => path.includes(MODULES) && dev !== true && link !== true)
    .map(([path, { version = '', license = '' }]) => ({
      name: nameOf(path),
      version,
      licence: readByHand[nameOf(path)] ?? license,
      broughtBy: [...(bringers.get(path) ?? [])].toSorted(),
    }))
    .toSorted((a, b) => (a.name + a.version < b.name + b.version ? -1 : 1));
}

/** A package and all that it needs. */
function reach(packages: Lock['packages'], start: string | undefined): Set<string> {
  const reached = new Set<string>();
  const waiting = [start];
  while (waiting.length > 0) {
    const path = waiting.pop();
    const found = path === undefined ? undefined : packages[path];
    if (path === undefined || found === undefined || reached.has(path)) continue;
    reached.add(path);
    const needed = { ...found.dependencies, ...found.optionalDependencies, ...found.peerDependencies };
    for (const name of Object.keys(needed)) waiting.push(resolve(packages, path, name));
  }
  return reached;
}

/** As Node looks for it: beside whoever needs it, then further out. */
function resolve(packages: Lock['packages'], from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf(`/${MODULES}`)))) {
    const path = `${folder === '' ? '' : `${folder}/`}${MODULES}${name}`;
    if (packages[path] !== undefined) return path;
    if (folder === '') return undefined;
  }
}

const MOST_NAMED = 3;

const HEAD = `# Third-party licences

What \`npm ci --omit=dev\` installs, from package-lock.json. Made by \`npm run -s licences\`; a test holds it up to date, and holds that each
licence goes with Apache-2.0. Each package's own LICENSE file is in its folder under \`node_modules\`, in the container image too.

**One thing is under another kind of licence**: \`@electric-sql/pglite-postgis\` (itself Apache-2.0) contains PostGIS, compiled: GPL-2.0-or-later,
with libraries of its own such as GEOS (LGPL-2.1). Only the embedded mode loads it, as a database that Fleetcast speaks SQL with over a socket;
nothing of ours is linked with it. Whoever hands on a bundle or an image with that package in it hands on PostGIS, and owes what its licence
asks for (its source: <https://postgis.net>). With \`DATABASE_URL\` it is never loaded.

`;

/** THIRD-PARTY-LICENSES.md. */
export function licenceDocument(lock: Lock): string {
  const all = productionLicences(lock);
  const counts = new Map<string, number>();
  for (const { licence } of all) counts.set(licence, (counts.get(licence) ?? 0) + 1);
  const summary = [...counts]
    .toSorted(([a, many], [b, more]) => more - many || (a < b ? -1 : 1))
    .map(([licence, count]) => `- ${licence}: ${count}`);
  const rows = all.map(({ name, version, licence, broughtBy }) => {
    const named = broughtBy.slice(0, MOST_NAMED).join(', ');
    const more = broughtBy.length - MOST_NAMED;
    return `| ${name} | ${version} | ${licence} | ${named}${more > 0 ? ` and ${more} more` : ''} |`;
  });
  return `${HEAD}${summary.join('\n')}

| package | version | licence | for |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}
