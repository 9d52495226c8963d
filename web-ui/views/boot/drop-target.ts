/** The whole window takes dropped files; a veil says what will happen with them. */
import { h } from "../common/index.js";

/** Calls `take` with files dropped anywhere; other kinds of drag are left alone. */
export function installDropTarget(take: (files: File[]) => void): void {
  const veil = h(
    "div",
    { class: "drop-veil", hidden: true },
    h("p", {}, "Drop a kernel and an initramfs to boot them"),
  );
  document.body.append(veil);
  let depth = 0;
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  const show = (visible: boolean): void => {
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
