import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Static, TSchema } from 'typebox';
import type { FieldError } from '../errors.ts';
import { noNul } from './common.ts';
import { instantOf } from './time.ts';

/**
 * allErrors: a sender learns of every wrong field at once. Payloads are small and bounded, so it stays cheap. verbose: an error knows
 * the schema that it broke, of which `fieldErrors` makes its words.
 */
const ajv = new Ajv({ allErrors: true, allowUnionTypes: true, verbose: true });

ajv.addFormat('instant', (text: string) => instantOf(text) !== undefined);

/** Compiles a schema once, at start. */
export function compile<Schema extends TSchema>(schema: Schema): ValidateFunction<Static<Schema>> {
  return ajv.compile<Static<Schema>>(schema);
}

const escapePointer = (token: string) => token.replace(/~/g, '~0').replace(/\//g, '~1');

/** `{ required: […] }` among alternatives: which of several fields have to be there. */
type FieldsAlternative = { required: readonly string[] };

const isFieldsAlternative = (schema: unknown): schema is FieldsAlternative =>
  Object.keys((schema ?? {}) as object).join() === 'required';

const quantifier: Record<string, string> = { oneOf: 'exactly one', anyOf: 'at least one' };

/** Why no alternative fits, or several; undefined: the errors of the alternatives say it. */
function alternativesRule({ keyword, schema }: ErrorObject): string | undefined {
  if (!Array.isArray(schema) || !schema.every(isFieldsAlternative)) return undefined;
  const names = (schema as readonly FieldsAlternative[]).flatMap(({ required }) => required);
  return `must have ${quantifier[keyword]} of ${names.join(', ')}`;
}

const formatRules: Readonly<Record<string, string>> = {
  instant: 'must be an ISO 8601 time with an offset, or epoch milliseconds, from 1970 to 9999',
};

function ruleOf(error: ErrorObject): string | undefined {
  switch (error.keyword) {
    case 'required':
      return isFieldsAlternative(error.parentSchema) ? undefined : 'is required';
    case 'enum':
      return `must be one of ${(error.params.allowedValues as unknown[]).join(', ')}`;
    case 'pattern':
      return error.params.pattern === noNul ? 'must not contain NUL' : error.message;
    case 'format':
      return formatRules[String(error.params.format)] ?? error.message;
    case 'type':
      // May be null: the other alternative says what else
      return error.schema === 'null' ? undefined : error.message;
    case 'oneOf':
    case 'anyOf':
      return alternativesRule(error);
    default:
      return error.message ?? error.keyword;
  }
}

/** ajv's errors as fields and rules; a missing field is named as the field itself. */
export function fieldErrors(errors: readonly ErrorObject[] | null | undefined): FieldError[] {
  return (errors ?? []).flatMap((error) => {
    const message = ruleOf(error);
    if (message === undefined) return [];
    const { instancePath, keyword, params } = error;
    const path =
      keyword === 'required'
        ? `${instancePath}/${escapePointer(String(params.missingProperty))}`
        : instancePath;
    return [{ path, message }];
  });
}

/** One sentence for all wrong fields: `latitude must be <= 90; longitude is required`. */
export function sentence(errors: readonly FieldError[], whole = 'the payload'): string {
  return errors
    .map(({ path, message }) => `${path === '' ? whole : path.slice(1).replace(/\//g, '.')} ${message}`)
    .join('; ');
}
