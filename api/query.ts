import { Ajv } from 'ajv';
import type { Static, TSchema } from 'typebox';
import type { FieldError } from '../shared/errors.ts';
import { fieldErrors, sentence } from '../shared/schemas/ajv.ts';
import { parseIsoTime } from '../shared/schemas/time.ts';
import { refuse } from './problem.ts';

/** Query strings hold text: numbers are made of it where the schema wants one. */
const ajv = new Ajv({ allErrors: true, coerceTypes: true, useDefaults: true, allowUnionTypes: true });

/** `time`: ISO 8601 with an offset, or epoch milliseconds. */
ajv.addFormat('time-or-ms', (text) => queryTime(text) !== undefined);

const ruleOf: Record<string, string> = {
  'time-or-ms': 'must be an ISO 8601 time with an offset, or epoch milliseconds',
};

/** Epoch ms of a time in a query string. */
export function queryTime(text: string): number | undefined {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  // A plus that nobody encoded arrives as a space
  return parseIsoTime(text.replace(/ (\d{2}:?\d{2})$/, '+$1'));
}

export function invalidParameters(errors: readonly FieldError[]) {
  return refuse({
    code: 'INVALID_PARAMETER',
    message: sentence(errors, 'the query'),
    errors: errors.map(({ path, message }) => ({ path: path.replace(/^\//, ''), message })),
  });
}

/** Compiles the schema of a route's query string. The reader throws a refusal that names every wrong parameter. */
export function queryReader<Schema extends TSchema>(schema: Schema): (query: object) => Static<Schema> {
  const validate = ajv.compile<Static<Schema>>(schema);
  return (query) => {
    const values: Record<string, unknown> = { ...query };
    if (validate(values)) return values;
    throw invalidParameters(
      fieldErrors(
        validate.errors?.map((error) =>
          error.keyword === 'format'
            ? { ...error, message: ruleOf[String(error.params.format)] ?? 'is malformed' }
            : error,
        ),
      ),
    );
  };
}
