import fc from 'fast-check';

/** What the product's documents use of JSON Schema. */
export type JsonSchema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
};

export type Components = { schemas: Record<string, JsonSchema> };

/** Names whose text is a time, which JSON Schema has no word for that all of it would fit. */
const TIMES = new Set(['recordedAt', 'at', 'until', 'from', 'to', 'before']);
const MINUTE_MS = 60_000;

/** Of the last hour: neither too old nor in the future. */
const recentTime = (): fc.Arbitrary<number> =>
  fc.integer({ min: 1, max: 60 * MINUTE_MS }).map((ago) => Date.now() - ago);

const recentText = () => recentTime().map((time) => new Date(time).toISOString());

/** Values that fit a schema. `name`: of the property that it is the schema of. */
export function fitting(schema: JsonSchema, components: Components, name = ''): fc.Arbitrary<unknown> {
  const inner = (each: JsonSchema, property = name) => fitting(each, components, property);
  if (schema.$ref !== undefined) {
    const title = schema.$ref.split('/').at(-1) ?? '';
    const named = components.schemas[title];
    if (named === undefined) throw new Error(`${schema.$ref} leads nowhere`);
    return inner(named);
  }
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.type === undefined && schema.anyOf !== undefined)
    return fc.oneof(...schema.anyOf.map((each) => inner(each)));
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => inner({ ...schema, type })));
  switch (schema.type) {
    case 'object':
      return objects(schema, components);
    case 'array':
      return fc.array(inner(schema.items ?? {}, ''), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 5, (schema.minItems ?? 0) + 5),
      });
    case 'string':
      return TIMES.has(name) ? recentText() : texts(schema);
    case 'integer':
      if (TIMES.has(name)) return recentTime();
      return fc.integer({ min: schema.minimum ?? -(2 ** 31), max: schema.maximum ?? 2 ** 31 - 1 });
    case 'number':
      return numbers(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function objects(schema: JsonSchema, components: Components): fc.Arbitrary<unknown> {
  const { properties = {}, required = [] } = schema;
  if (Object.keys(properties).length === 0)
    return fc.dictionary(fc.string({ maxLength: 10 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 });
  const fields = Object.fromEntries(
    Object.entries(properties).map(([key, property]) => [key, fitting(property, components, key)]),
  );
  const withKeys = (requiredKeys: readonly string[], without: readonly string[] = []) => {
    const left = Object.entries(fields).filter(([key]) => !without.includes(key));
    return fc.record(Object.fromEntries(left), { requiredKeys: [...requiredKeys], noNullPrototype: true });
  };
  const { anyOf = [], oneOf = [] } = schema;
  const choices = [...anyOf, ...oneOf].map((choice) => choice.required ?? []);
  if (choices.length === 0) return withKeys(required);
  const others = (choice: readonly string[]) => choices.filter((each) => each !== choice).flat();
  return fc.oneof(
    ...choices.map((choice) => withKeys([...required, ...choice], oneOf.length > 0 ? others(choice) : [])),
  );
}

function texts({ pattern, minLength = 0, maxLength = 40 }: JsonSchema): fc.Arbitrary<string> {
  if (pattern === undefined)
    return fc.string({ minLength, maxLength: Math.min(maxLength, 40), unit: 'binary' });
  return fc
    .stringMatching(new RegExp(pattern), { maxLength: Math.min(maxLength, 64) })
    .filter((text) => text.length >= minLength);
}

function numbers(schema: JsonSchema): fc.Arbitrary<number> {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  return fc.double({
    min: minimum ?? exclusiveMinimum ?? -1e308,
    max: maximum ?? exclusiveMaximum ?? 1e308,
    minExcluded: minimum === undefined && exclusiveMinimum !== undefined,
    maxExcluded: maximum === undefined && exclusiveMaximum !== undefined,
    noNaN: true,
  });
}
