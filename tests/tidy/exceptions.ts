/**
 * Every exception from the architecture tests, with its reason. The list may only shrink: an entry that is no longer
 * needed fails its test.
 */

/** Imports from outside a folder that go past its index.ts: "importing folder -> file". */
export const SIDE_DOORS: Readonly<Record<string, string>> = {
  "control-plane/domain -> control-plane/api/types.ts": "the public interface's types, which have no code",
  "control-plane/domain -> control-plane/api/limits.ts": "what a configuration may say, checked here",
  "control-plane/domain -> control-plane/api/vdev.ts": "as above",
  "control-plane/worker -> control-plane/storage/folders/finder-node.ts": "a front door for Node alone",
  "control-plane/cli -> control-plane/storage/folders/finder-node.ts": "as above",
  "control-plane/guest -> control-plane/storage/folders/finder-node.ts": "as above",
  "control-plane/cli -> control-plane/api/connect-node.ts": "a front door for Node alone: index.ts is for the page too",
  "control-plane/cli -> control-plane/api/relay-node.ts": "as above",
  "control-plane/cli -> control-plane/api/switch-node.ts": "as above",
  "control-plane/api -> control-plane/net/outside/node.ts": "for Node alone",
  "control-plane/api -> control-plane/net/relay/relay-node.ts": "as above",
  "control-plane/api -> control-plane/net/link/link-node.ts": "as above",
  "control-plane/worker -> control-plane/net/outside/node.ts": "as above",
  "control-plane/worker -> control-plane/net/link/link-node.ts": "as above",
  "control-plane/worker -> control-plane/net/browser/index.ts": "for the browser alone",
  "control-plane/worker -> control-plane/net/relay/index.ts": "as above",
  "web-ui/link -> control-plane/api/connect-browser.ts": "a front door for the browser alone",
  "control-plane/worker -> control-plane/api/host.ts": "the worker is Domain0: it makes what api only describes",
  "control-plane/worker -> control-plane/api/machine-options.ts": "as above",
  "control-plane/worker -> control-plane/api/serve.ts": "as above",
  "control-plane/worker -> control-plane/core-link/real.ts": "index.ts leaves it out so that tests load no worker",
  "control-plane/worker -> control-plane/core-link/workers.ts": "as above",
  "control-plane/worker -> control-plane/core-link/spawn-browser.ts": "a bundler resolves the worker's URL here",
  "control-plane/worker -> control-plane/core-link/spawn-node.ts": "as above",
  "control-plane/core-link -> wasm-core/worker/pcpu.browser.ts": "the URL of a worker's entry",
  "control-plane/worker -> wasm-core/worker/engine-flags.node.ts": "for Node alone",
  "wasm-core/build -> control-plane/guest/embedded/index.ts": "the build assembles the embedded guest",
  "wasm-core/assembly/run -> wasm-core/assembly/system/delivery.ts": "index.ts is the interpreter's door",
  "wasm-core/assembly/run -> wasm-core/assembly/system/debug-step.ts": "as above",
  "wasm-core/assembly/run -> wasm-core/assembly/system/machine-check.ts": "as above",
};

/** Arrows that the table of arrows.test.ts does not allow: "importing file -> folder". */
export const ARROWS: Readonly<Record<string, string>> = {
  "wasm-core/build/build.ts -> control-plane/guest/embedded": "the program that builds every part",
};

/** Files with more lines than the limit, and how many they may have. */
export const LONG_FILES: Readonly<Record<string, number>> = {};

/** Functions with more lines than the limit: "file name", and how many they may have. */
export const LONG_FUNCTIONS: Readonly<Record<string, number>> = {};

/** Folders of device models that are no device of their own. */
export const NOT_DEVICES: Readonly<Record<string, string>> = {
  "wasm-core/assembly/irq/message": "interrupt messages between local APICs; has registers, keeps no state",
  "wasm-core/assembly/irq/testing": "test support",
};
