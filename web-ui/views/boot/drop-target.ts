/** The whole window takes dropped files; a veil says what will happen with them. */
import { h, setText } from "../common/index.js";

export interface DropHooks {
  /** What will happen, as the veil says it. */
  text(): string;
  take(files: File[]): void;
}

/** Calls `take` with files dropped anywhere; other kinds of drag are left alone. */
export function installDropTarget({ text, take }: DropHooks): void {
  const line = h("p", {});
  const veil = h("div", { class: "drop-veil", hidden: true }, line);
  document.body.append(veil);
  let depth = 0;
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  const show = (visible: boolean): void => {
    setText(line, text());
    veil.hidden = !visible;
  };
  window.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth++;
    show(true);
  });
  window.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  window.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth = Math.max(0, depth - 1);
    show(depth > 0);
  });
  window.addEventListener("drop", (event) => {
    depth = 0;
    show(false);
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    take(files);
  });
}
