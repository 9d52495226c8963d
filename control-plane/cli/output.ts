/** Where verbs print: results on standard output, everything said about them on standard error. */
import { CliError, Exit } from "./errors.js";

/** Prints a result. */
export function print(text: string): void {
  process.stdout.write(text);
}

/** Says something that is no result: one line. */
export function say(message: string): void {
  process.stderr.write(`xl: ${message}\n`);
}

/** A reader that has seen enough (`xl list | head`) closes the pipe: nothing is left to do then. */
export function endQuietlyOnClosedPipe(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(Exit.HOST);
    throw new CliError(Exit.HOST, `standard output: ${error.message}`);
  });
}

/** Resolves when everything printed has left the process. */
export function flushed(): Promise<void> {
  const ofStream = (stream: NodeJS.WriteStream) =>
    new Promise<void>((resolve) => {
      if (stream.writableLength === 0 || stream.destroyed) resolve();
      else stream.write("", () => resolve());
    });
  return Promise.all([ofStream(process.stdout), ofStream(process.stderr)]).then(() => undefined);
}
