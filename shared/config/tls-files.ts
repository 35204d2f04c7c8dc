import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

/** A line for each file of the TLS listeners that can't be used; checked at start, where it still is a matter of configuration. */
export function tlsFileProblems({ certFile, keyFile }: { certFile: string; keyFile: string }): string[] {
  const problems: string[] = [];
  const read = (variable: string, path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      problems.push(`${variable} can't be read: ${(error as Error).message}`);
      return '';
    }
  };
  const cert = read('TLS_CERT_FILE', certFile);
  const key = read('TLS_KEY_FILE', keyFile);
  if (problems.length > 0) return problems;
  try {
    createSecureContext({ cert, key });
    return [];
  } catch (error) {
    // OpenSSL's words name the mistake, never the key
    return [`TLS_CERT_FILE and TLS_KEY_FILE do not make a pair: ${(error as Error).message}`];
  }
}
