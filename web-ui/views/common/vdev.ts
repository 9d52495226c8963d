/** What people type as a guest's name of a disk. */
import { parseVdev } from "../../../control-plane/api/index.js";

/** What is wrong with it, or null. */
export function vdevProblem(vdev: string, used: readonly string[]): string | null {
  const parsed = parseVdev(vdev);
  if (parsed === null) return `"${vdev}" names no disk: xvda, xvdb and so on do.`;
  return used.some((other) => parseVdev(other)?.id === parsed.id) ? `There is a disk ${parsed.name} already.` : null;
}
