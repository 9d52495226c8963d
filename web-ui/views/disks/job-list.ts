/** Operations under way: bytes and rate as they really are, said to screen readers at the quarters, and a way to stop. */
import { formatBytes, type ImageJob, type ImageJobs, type JobProgress } from "../../state/index.js";
import { h, setText } from "../common/index.js";

export function buildJobList(jobs: ImageJobs, announce: (text: string) => void): HTMLElement {
  const list = h("div", { class: "jobs" });
  const shown = new Map<ImageJob, { element: HTMLElement; end: () => void }>();
  jobs.running.subscribe((running) => {
    for (const [job, { element, end }] of shown) {
      if (running.includes(job)) continue;
      end();
      element.remove();
      shown.delete(job);
    }
    for (const job of running) {
      if (shown.has(job)) continue;
      const entry = buildJob(job, announce);
      shown.set(job, entry);
      list.append(entry.element);
    }
  });
  return list;
}

function buildJob(job: ImageJob, announce: (text: string) => void): { element: HTMLElement; end: () => void } {
  const figures = h("span", { class: "launch-figures" });
  const bar = h("progress", { "aria-label": job.title, max: 1 });
  let quarter = 0;
  const end = job.progress.subscribe((progress) => {
    setText(figures, describeJob(progress));
    if (progress.totalBytes === null) return;
    const share = progress.doneBytes / Math.max(1, progress.totalBytes);
    bar.value = share;
    if (Math.floor(share * 4) > quarter && share < 1) announce(`${job.title}: ${Math.floor(share * 4) * 25} per cent`);
    quarter = Math.floor(share * 4);
  });
  const stop = h("button", { type: "button", class: "button quiet", "aria-label": `Cancel: ${job.title}` }, "Cancel");
  stop.addEventListener("click", () => {
    job.cancel();
    // It ends with its next step.
    stop.disabled = true;
  });
  const element = h(
    "div",
    { class: "launch" },
    h("div", { class: "launch-line" }, h("span", {}, job.title), figures),
    bar,
    stop,
  );
  return { element, end };
}

export function describeJob({ doneBytes, totalBytes, bytesPerSecond }: JobProgress): string {
  if (totalBytes === null) return "";
  const rate = bytesPerSecond === null ? "" : `, ${formatBytes(bytesPerSecond)}/s`;
  return `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}${rate}`;
}
