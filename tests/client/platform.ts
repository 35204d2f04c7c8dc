import createClient from 'openapi-fetch';
import type { components, paths } from './generated/api.ts';

export type Schemas = components['schemas'];

/** Of the forms that an answer may have, these are asked for: `data` is never anything else. */
type Json = 'application/json' | 'application/problem+json';

const { PLATFORM_URL: baseUrl = 'http://127.0.0.1:8096' } = process.env;

const headers = (token: string) => ({ authorization: `Bearer ${token}` });

/** The REST API as one user. */
export const platformAs = (token: string) => createClient<paths, Json>({ baseUrl, headers: headers(token) });

/** The same, where an answer is to be GeoJSON. */
export const mapAs = (token: string) =>
  createClient<paths, 'application/geo+json'>({ baseUrl, headers: headers(token) });

/** What was asked for, or an error with what the platform has to say. */
export function expectData<Data>(answer: { data?: Data; error?: Schemas['Problem'] }): Data {
  if (answer.data === undefined)
    throw new Error(`${answer.error?.code ?? 'no answer'}: ${answer.error?.detail ?? ''}`);
  return answer.data;
}
