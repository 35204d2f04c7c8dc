import { Ajv } from 'ajv';
import type { Static, TObject, TSchema } from 'typebox';
import type { FieldError } from '../shared/errors.ts';
import { fieldErrors, sentence } from '../shared/schemas/ajv.ts';
import { parseIsoTime } from '../shared/schemas/time.ts';
import { refuse } from './problem.ts';

const ajv = new Ajv({ allErrors: true, useDefaults: true });

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

/** A decimal number. JavaScript would also take " " for 0 and "0x10" for 16. A plus that nobody encoded arrives as a space. */
const decimal = /^[-+ ]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/;

const isNumeric = (schema: TSchema | undefined) =>
  schema !== undefined && 'type' in schema && (schema.type === 'number' || schema.type === 'integer');

/** Query strings hold text: numbers are made of it where the schema wants one. A parameter given twice stays an array, and no type fits it. */
const parameter = (schema: TSchema | undefined, value: unknown) =>
  typeof value === 'string' && decimal.test(value) && isNumeric(schema) ? Number(value) : value;

/** Compiles the schema of a route's query string. The reader throws a refusal that names every wrong parameter. */
export function queryReader<Schema extends TObject>(schema: Schema): (query: object) => Static<Schema> {
  const validate = ajv.compile<Static<Schema>>(schema);
  const properties: Readonly<Record<string, TSchema>> = schema.properties;
  return (query) => {
    const values: Record<string, unknown> = Object.fromEntries(
      Object.entries(query).map(([name, value]) => [name, parameter(properties[name], value)]),
    );
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
