import type { IncomingMessage } from 'node:http';
import { Ajv } from 'ajv';
import { type Static, Type } from 'typebox';
import { parseJson } from '../json.ts';
import { type Levels, logLevels } from './levels.ts';
import type { Logger } from './log.ts';

export type HttpAnswer = { status: number; type: string; body: string; headers?: Record<string, string> };

const wish = Type.Object(
  {
    level: Type.Unsafe<Levels['level']>({ type: 'string', enum: [...logLevels] }),
    /** After so long it is as configured again. A day: what is longer belongs into the configuration. */
    seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
  },
  { additionalProperties: false },
);
type Wish = Static<typeof wish>;

const isWish = new Ajv().compile<Wish>(wish);

/** Nobody needs more to say a level. */
const MAX_BODY = 1024;

const json = (status: number, content: unknown, headers: Record<string, string> = {}): HttpAnswer => ({
  status,
  type: status < 400 ? 'application/json' : 'application/problem+json',
  body: JSON.stringify(content),
  headers: { 'cache-control': 'no-store', ...headers },
});

const problem = (
  status: number,
  code: string,
  title: string,
  detail: string,
  headers: Record<string, string> = {},
) => json(status, { type: `urn:fleetcast:problem:${code}`, title, status, code, detail }, headers);

/** `/log-level` on the metrics port: which lines are logged, read and changed while the process runs, until it ends or for some time. */
export class LogLevelDoor {
  private timer: NodeJS.Timeout | undefined;
  private endsAt: number | undefined;
  private readonly levels: Levels;
  private readonly log: Logger;

  constructor(levels: Levels, log: Logger) {
    this.levels = levels;
    this.log = log;
  }

  /** Of somebody who may. */
  async answer(request: IncomingMessage): Promise<HttpAnswer> {
    if (request.method === 'GET' || request.method === 'HEAD') return json(200, this.state());
    if (request.method !== 'PUT') {
      const allow = { allow: 'GET, HEAD, PUT' };
      return problem(
        405,
        'METHOD_NOT_ALLOWED',
        'The resource does not know this method',
        'GET or PUT',
        allow,
      );
    }
    const wanted = await readWish(request);
    if (wanted === undefined)
      return problem(
        400,
        'INVALID_PAYLOAD',
        'The payload breaks a rule',
        `{"level": one of ${logLevels.join(', ')}, "seconds"?: 1 to 86400}`,
      );
    this.change(wanted);
    return json(200, this.state());
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private state() {
    const { level, configured } = this.levels;
    return {
      level,
      configured,
      until: this.endsAt === undefined ? null : new Date(this.endsAt).toISOString(),
    };
  }

  private change({ level, seconds }: Wish): void {
    clearTimeout(this.timer);
    this.endsAt = undefined;
    this.turn(level, seconds);
    if (seconds === undefined) return;
    this.endsAt = Date.now() + seconds * 1000;
    this.timer = setTimeout(() => {
      this.endsAt = undefined;
      this.turn(this.levels.configured);
    }, seconds * 1000).unref();
  }

  /** Said at whichever of the two levels says it. */
  private turn(to: Levels['level'], seconds?: number): void {
    const from = this.levels.level;
    const wasSaid = this.log.isLevelEnabled('info');
    const say = () => this.log.info({ from, to, seconds }, 'the log level has changed');
    if (wasSaid) say();
    this.levels.set(to);
    if (!wasSaid) say();
  }
}

async function readWish(request: IncomingMessage): Promise<Wish | undefined> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BODY) return undefined;
  }
  const given = parseJson(text);
  return isWish(given) ? given : undefined;
}
