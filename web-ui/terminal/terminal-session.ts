/**
 * One xterm.js terminal on one console of one domain: colours, fitting, search, links, copy and paste. The renderer is
 * xterm's DOM renderer: WebGL is slower than it without a hardware GPU, and the DOM is what screen readers read.
 */
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import type { ConsoleKind, ConsoleSession, DomId, HostApi } from "../../control-plane/api/index.js";
import type { Settings } from "../state/index.js";
import { chordOf } from "./keys.js";
import { DARK_PALETTE, LIGHT_PALETTE, searchDecorations } from "./palette.js";

export interface TerminalHooks {
  onLeave(): void;
  onSearch(): void;
  /** Every chunk the guest prints, scrollback included. */
  onOutput(data: Uint8Array): void;
  onCopied(characters: number): void;
  onError(error: unknown): void;
}

export interface SearchResults {
  /** 0-based; -1 when no match is selected. */
  readonly index: number;
  readonly count: number;
}

const SCROLLBACK_LINES = 10_000;
const FONT =
  'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

export class TerminalSession {
  private readonly terminal: Terminal;
  private readonly fitAddon = new FitAddon();
  private readonly searchAddon = new SearchAddon();
  private readonly observer: ResizeObserver;
  private readonly encoder = new TextEncoder();
  private session: ConsoleSession | null = null;
  private attachment = 0;
  private opened = false;
  private dark = true;

  constructor(
    private readonly element: HTMLElement,
    label: string,
    settings: Settings,
    private readonly hooks: TerminalHooks,
  ) {
    this.terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: false,
      fontFamily: FONT,
      fontSize: settings.fontSizePx,
      lineHeight: 1.15,
      minimumContrastRatio: 4.5,
      screenReaderMode: settings.screenReader,
      scrollback: SCROLLBACK_LINES,
    });
    this.terminal.loadAddon(this.fitAddon);
    this.terminal.loadAddon(this.searchAddon);
    this.terminal.loadAddon(new WebLinksAddon());
    this.terminal.attachCustomKeyEventHandler((event) => this.handleKey(event));
    this.terminal.onData((text) => this.session?.write(this.encoder.encode(text)));
    this.terminal.onBinary((text) => this.session?.write(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    this.terminal.onResize(({ cols, rows }) => this.session?.resize(cols, rows));
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(element);
    this.label = label;
  }

  private readonly label: string;

  /** Puts the terminal into the page; called when it is first shown, since xterm measures what it is put into. */
  open(): void {
    if (this.opened) return;
    this.opened = true;
    this.terminal.open(this.element);
    const { textarea } = this.terminal;
    textarea?.setAttribute("aria-label", this.label);
    // Tab would be caught here: the screen around it is the stop, and Enter goes in.
    if (textarea) textarea.tabIndex = -1;
    this.fit();
  }

  /** Attaches to a console; a second call moves on to another domain and keeps what is on the screen. */
  async attach(host: HostApi, domid: DomId, kind: ConsoleKind): Promise<void> {
    this.detach();
    const attachment = ++this.attachment;
    try {
      const session = await host.attachConsole(domid, kind, (data) => {
        if (attachment !== this.attachment) return;
        this.terminal.write(data);
        this.hooks.onOutput(data);
      });
      if (attachment !== this.attachment) {
        session.detach();
        return;
      }
      this.session = session;
      if (this.opened) session.resize(this.terminal.cols, this.terminal.rows);
    } catch (error) {
      if (attachment === this.attachment) this.hooks.onError(error);
    }
  }

  detach(): void {
    this.attachment++;
    this.session?.detach();
    this.session = null;
  }

  /** A line from the page itself, set apart from the guest's output. */
  remark(text: string): void {
    this.terminal.write(`\r\n\x1b[0;2m── ${text} ──\x1b[0m\r\n`);
  }

  applySettings(settings: Settings, dark: boolean): void {
    this.dark = dark;
    const { options } = this.terminal;
    options.theme = dark ? DARK_PALETTE : LIGHT_PALETTE;
    options.screenReaderMode = settings.screenReader;
    if (options.fontSize !== settings.fontSizePx) {
      options.fontSize = settings.fontSizePx;
      this.fit();
    }
  }

  fit(): void {
    if (this.opened && this.element.offsetParent !== null) this.fitAddon.fit();
  }

  focus(): void {
    this.terminal.focus();
  }

  onSearchResults(listener: (results: SearchResults) => void): void {
    this.searchAddon.onDidChangeResults(({ resultIndex, resultCount }) =>
      listener({ index: resultIndex, count: resultCount }),
    );
  }

  find(text: string, direction: "next" | "previous", incremental = false): void {
    const options = { decorations: searchDecorations(this.dark) };
    if (direction === "next") this.searchAddon.findNext(text, { ...options, incremental });
    else this.searchAddon.findPrevious(text, options);
  }

  endSearch(): void {
    this.searchAddon.clearDecorations();
    this.terminal.clearSelection();
  }

  dispose(): void {
    this.detach();
    this.observer.disconnect();
    this.terminal.dispose();
  }

  /** False keeps the key from the guest. */
  private handleKey(event: KeyboardEvent): boolean {
    const chord = chordOf(event);
    if (chord === null) return true;
    // Pasting is left to the browser, which asks for no permission that way.
    if (chord === "paste") return false;
    event.preventDefault();
    if (event.type !== "keydown") return false;
    if (chord === "leave") this.hooks.onLeave();
    if (chord === "search") this.hooks.onSearch();
    if (chord === "copy") void this.copy();
    return false;
  }

  private async copy(): Promise<void> {
    const text = this.terminal.getSelection();
    if (text === "") return;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without the clipboard permission the browser's own copy command still works on xterm's selection.
      document.execCommand("copy");
    }
    this.hooks.onCopied(text.length);
  }
}
