import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

type Media = { schema?: object };
type Described = { content?: Record<string, Media> };
type Operation = { responses: Record<string, Described> };
type Document = { paths: Record<string, Record<string, Operation>>; components: object };

/** Any answer that is not of an operation: an unknown path, or a method that the path does not know. */
const UNDESCRIBED_STATUSES = new Set([204, 404, 405]);

/** The product's own OpenAPI document, to hold its answers against. */
export class DescribedApi {
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true });
  private readonly validators = new Map<object, ValidateFunction>();
  private readonly document: Document;

  constructor(document: Document) {
    this.document = document;
    (addFormats as unknown as (ajv: Ajv2020) => void)(this.ajv);
    this.ajv.addSchema({ $id: 'http://document.local/openapi.json', components: document.components });
  }

  static async of(restUrl: string): Promise<DescribedApi> {
    const response = await fetch(`${restUrl}/openapi.json`);
    return new DescribedApi((await response.json()) as Document);
  }

  /** Throws where an answer is not one that the document describes. */
  check(method: string, path: string, status: number, contentType: string | null, body: unknown): void {
    const where = `${method} ${path} → ${status}`;
    // Asks what there is, of any path
    if (method === 'OPTIONS') return;
    const operation = this.operationOf(method, path);
    if (operation === undefined) {
      if (!UNDESCRIBED_STATUSES.has(status) && status < 400) throw new Error(`${where}: no such operation`);
      return;
    }
    const described = operation.responses[status];
    // A path that looks like an operation's may hold what no client would send, and never get that far
    if (described === undefined) throw new Error(`${where}: this status is not described`);
    if (method === 'HEAD' || described.content === undefined) return;
    const mediaType = (contentType ?? '').split(';')[0] ?? '';
    const media = described.content[mediaType];
    if (media === undefined) throw new Error(`${where}: the type "${mediaType}" is not described`);
    if (media.schema === undefined || typeof body !== 'object') return;
    const validate = this.validatorOf(media.schema);
    if (!validate(body))
      throw new Error(
        `${where}: ${this.ajv.errorsText(validate.errors)} in ${JSON.stringify(body).slice(0, 500)}`,
      );
  }

  private operationOf(method: string, path: string): Operation | undefined {
    const name = method === 'HEAD' ? 'get' : method.toLowerCase();
    const asked = (path.split('?')[0] ?? '').replace(/\/$/, '').split('/');
    const fits = Object.keys(this.document.paths)
      .filter((template) => {
        const levels = template.split('/');
        return (
          levels.length === asked.length &&
          levels.every((level, index) => level.startsWith('{') || level === asked[index])
        );
      })
      .sort((a, b) => a.split('{').length - b.split('{').length);
    const template = fits[0];
    return template === undefined ? undefined : this.document.paths[template]?.[name];
  }

  private validatorOf(schema: object): ValidateFunction {
    const known = this.validators.get(schema);
    if (known !== undefined) return known;
    const absolute = JSON.parse(
      JSON.stringify(schema).replaceAll('"#/components/', '"http://document.local/openapi.json#/components/'),
    ) as object;
    const validate = this.ajv.compile(absolute);
    this.validators.set(schema, validate);
    return validate;
  }
}
