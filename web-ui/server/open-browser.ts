/** Opens the page in the user's browser where there is a desktop to open it on. */
import { spawn } from "node:child_process";

/** The program that opens `url` here, or null when there is no desktop. */
export function browserCommand(
  url: string,
  platform: NodeJS.Platform,
  environment: NodeJS.ProcessEnv,
): readonly [string, readonly string[]] | null {
  if (platform === "darwin") return ["open", [url]];
  // start is the shell's own; its first quoted word would be a window title.
  if (platform === "win32") return ["cmd", ["/c", "start", "", url]];
  const desktop = environment.DISPLAY || environment.WAYLAND_DISPLAY;
  return desktop ? ["xdg-open", [url]] : null;
}

export function openBrowser(url: string): void {
  const command = browserCommand(url, process.platform, process.env);
  if (!command) return;
  const child = spawn(command[0], command[1], { detached: true, stdio: "ignore" });
  // Without such a program the printed address is all there is.
  child.on("error", () => {});
  child.unref();
}
