import type { RedisConnection } from './connection.ts';

export type Script = (keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>;

/** A Lua script on a connection: sent by its digest, and whole when the server does not know it (yet, or any more). */
export function defineScript(connection: RedisConnection, name: string, lua: string): Script {
  connection.defineCommand(name, { lua });
  const run = (connection as unknown as Record<string, (...all: (string | number)[]) => Promise<unknown>>)[
    name
  ];
  if (run === undefined) throw new Error(`${name} is no name for a script`);
  return (keys, args) => run.call(connection, keys.length, ...keys, ...args);
}
