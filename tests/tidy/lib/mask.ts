/**
 * Blanks comments and the insides of strings, templates and regular expressions, so that plain searches see code alone.
 * A scanner of a screen, not a parser: it knows just enough of TypeScript and AssemblyScript to tell them apart.
 */

export interface Masked {
  readonly code: string;
  readonly comments: readonly { readonly text: string; readonly line: number }[];
}

/** After one of these a slash begins a regular expression, not a division. */
const BEFORE_REGEXP = /(^|[=(,:;!&|?{}[\n+\-*%<>~^]|\b(return|typeof|case|in|of|do|else|throw|yield|await))\s*$/;

class Scanner {
  at = 0;
  line = 1;
  private out = "";
  readonly comments: { text: string; line: number }[] = [];
  constructor(readonly text: string) {}

  /** Copies or blanks up to `end`; lines stay lines. */
  private take(end: number, keep: boolean): string {
    const piece = this.text.slice(this.at, end);
    this.out += keep ? piece : piece.replace(/[^\n]/g, " ");
    this.line += piece.split("\n").length - 1;
    this.at = end;
    return piece;
  }

  private endOf(mark: string, from: number): number {
    const at = this.text.indexOf(mark, from);
    return at < 0 ? this.text.length : at;
  }

  private comment(end: number): void {
    const { line } = this;
    this.comments.push({ text: this.take(end, false), line });
  }

  /** From an opening quote to past its closing one. */
  private quoted(quote: string): void {
    let end = this.at + 1;
    while (end < this.text.length && this.text[end] !== quote && (quote === "`" || this.text[end] !== "\n")) {
      end += this.text[end] === "\\" ? 2 : 1;
    }
    this.take(this.at + 1, true);
    this.take(Math.min(end, this.text.length), false);
    this.take(Math.min(end + 1, this.text.length), true);
  }

  /** A template: its text is blanked, the code in its holes is kept. */
  private template(): void {
    this.take(this.at + 1, true);
    while (this.at < this.text.length && this.text[this.at] !== "`") {
      if (this.text[this.at] === "\\") this.take(this.at + 2, false);
      else if (this.text.startsWith("${", this.at)) {
        this.take(this.at + 2, true);
        this.code("}");
        this.take(Math.min(this.at + 1, this.text.length), true);
      } else this.take(this.at + 1, false);
    }
    this.take(Math.min(this.at + 1, this.text.length), true);
  }

  private regexp(): void {
    let end = this.at + 1;
    let inClass = false;
    for (; end < this.text.length && this.text[end] !== "\n"; end++) {
      const c = this.text[end];
      if (c === "\\") end++;
      else if (c === "[") inClass = true;
      else if (c === "]") inClass = false;
      else if (c === "/" && !inClass) break;
    }
    this.take(this.at + 1, true);
    this.take(end, false);
    this.take(Math.min(end + 1, this.text.length), true);
  }

  /** Code up to `close` at this level, or to the end of the text. */
  code(close: string): void {
    let depth = 0;
    while (this.at < this.text.length) {
      const c = this.text[this.at]!;
      if (this.text.startsWith("//", this.at)) this.comment(this.endOf("\n", this.at));
      else if (this.text.startsWith("/*", this.at))
        this.comment(Math.min(this.endOf("*/", this.at + 2) + 2, this.text.length));
      else if (c === '"' || c === "'") this.quoted(c);
      else if (c === "`") this.template();
      else if (c === "/" && BEFORE_REGEXP.test(this.out.slice(-40))) this.regexp();
      else if (c === close && depth === 0) return;
      else {
        if (c === "{") depth++;
        if (c === "}") depth--;
        this.take(this.at + 1, true);
      }
    }
  }

  result(): Masked {
    return { code: this.out, comments: this.comments };
  }
}

export function maskSource(text: string): Masked {
  const scanner = new Scanner(text);
  scanner.code("");
  return scanner.result();
}
