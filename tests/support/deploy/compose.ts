import { parse } from 'yaml';
import { read } from './files.ts';

export type Healthcheck = { test?: string[]; disable?: boolean };

/** As far as docker-compose.yml uses them. */
export type ComposeService = {
  image: string;
  build?: { context: string; dockerfile: string };
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  networks: string[];
  profiles?: string[];
  configs?: { source: string; target: string }[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: Healthcheck;
  stop_grace_period?: string;
  read_only?: boolean;
};

export type Compose = {
  services: Record<string, ComposeService>;
  volumes: Record<string, unknown>;
  networks: Record<string, unknown>;
  configs: Record<string, { content: string }>;
};

const VARIABLE = /\$\{(?<name>[A-Z_]+)(?<kind>:-|:\?)?(?<rest>[^}]*)\}/g;

/** As Compose does it, for the three forms that are used: `${A}`, `${A:-default}`, `${A:?message}`. */
function interpolate(value: unknown, env: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string')
    return value.replace(VARIABLE, (_whole, name: string, kind: string | undefined, rest: string) => {
      const given = env[name];
      if (given !== undefined && given !== '') return given;
      if (kind === ':?') throw new Error(`${name}: ${rest}`);
      return kind === ':-' ? rest : '';
    });
  if (Array.isArray(value)) return value.map((item) => interpolate(item, env));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolate(item, env)]));
  return value;
}

/** docker-compose.yml as Compose sees it with these variables, merges and anchors resolved. */
export function readCompose(env: Readonly<Record<string, string>>): Compose {
  return interpolate(parse(read('docker-compose.yml'), { merge: true }), env) as Compose;
}

/** `127.0.0.1:1884:1883`: who may connect, where, and where that ends in the container. */
export function publishedPort(text: string): { address: string; published: number; target: number } {
  const [address = '', published, target] = text.split(':');
  return { address, published: Number(published), target: Number(target) };
}
