import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KeySetupError } from './settings.ts';

/** RFC 7518, 3.2: a key for HS256 has at least the 256 bits of its hash. */
const SECRET_BYTES = 32;

const isErrno = (error: unknown, code: string) => (error as NodeJS.ErrnoException).code === code;

/**
 * The secret of embedded mode, kept in `DATA_DIR/jwt-secret` (mode 0600) and made on first use. Processes that
 * start at once all get the same one.
 * @throws KeySetupError when the file is empty or can't be read, made or narrowed to 0600
 */
export async function embeddedSecret(dataDir: string): Promise<string> {
  const path = join(dataDir, 'jwt-secret');
  try {
    return (await readSecret(path)) ?? (await createSecret(dataDir, path));
  } catch (error) {
    if (error instanceof KeySetupError) throw error;
    throw new KeySetupError(`The token secret in ${path} can't be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** undefined: there is no such file. */
async function readSecret(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) await chmod(path, 0o600);
    const secret = (await readFile(path, 'utf8')).trim();
    if (secret !== '') return secret;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  throw new KeySetupError(
    `${path} is empty: remove it, then a new secret is made and old tokens lose their force`,
  );
}

/** Written whole beside its place, then linked there: nobody sees half a secret, and the first link wins. */
async function createSecret(dataDir: string, path: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeDurably(draft, `${randomBytes(SECRET_BYTES).toString('base64url')}\n`);
    await link(draft, path);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const secret = await readSecret(path);
  if (secret === undefined) throw new KeySetupError(`${path} was removed while it was being made`);
  return secret;
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    // Or a power cut could leave the linked name with no content.
    await file.sync();
  } finally {
    await file.close();
  }
}
