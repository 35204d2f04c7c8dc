import type { TSchema } from 'typebox';
import { variables } from './variables.ts';

const schemas: Readonly<Record<string, TSchema>> = variables.properties;

/** Their values are nobody's to read. (What stands in addresses is left out of every line that is logged.) */
const isSecret = (name: string) => /SECRET|TOKEN|PASSWORD/.test(name);

/** What is set and not as it is by default: what a process does otherwise than another one. */
export function settingsInUse(env: NodeJS.ProcessEnv): Record<string, string> {
  const set: Record<string, string> = {};
  for (const [name, schema] of Object.entries(schemas)) {
    const value = env[name]?.trim() ?? '';
    const usual = 'default' in schema ? String(schema.default) : '';
    if (value !== '' && value !== usual) set[name] = isSecret(name) ? 'set' : value;
  }
  return set;
}
