import type { TSchema } from 'typebox';
import { variables } from './variables.ts';

const schemas: Readonly<Record<string, TSchema>> = variables.properties;

/** What is set and not as it is by default, for the log, which leaves out what is secret. */
export function settingsInUse(env: NodeJS.ProcessEnv): Record<string, string> {
  const set: Record<string, string> = {};
  for (const [name, schema] of Object.entries(schemas)) {
    const value = env[name]?.trim() ?? '';
    const usual = 'default' in schema ? String(schema.default) : '';
    if (value !== '' && value !== usual) set[name] = value;
  }
  return set;
}
