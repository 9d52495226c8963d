import { describe, expect, it } from "vitest";
import { chordOf, type KeyFacts } from "./keys.js";

const press = (code: string, modifiers: Partial<KeyFacts> = {}): KeyFacts => ({
  ctrlKey: false,
  shiftKey: false,
  altKey: false,
  metaKey: false,
  code,
  ...modifiers,
});
const CTRL_SHIFT = { ctrlKey: true, shiftKey: true };

describe("chords", () => {
  it("keeps Ctrl+Shift chords and Cmd+F", () => {
    expect(chordOf(press("Enter", CTRL_SHIFT))).toBe("leave");
    expect(chordOf(press("KeyF", CTRL_SHIFT))).toBe("search");
    expect(chordOf(press("KeyF", { metaKey: true }))).toBe("search");
  });

  it("leaves every other key to the guest", () => {
    for (const key of [
      press("Tab"),
      press("KeyC", { ctrlKey: true }),
      press("KeyF", { ctrlKey: true }),
      press("KeyA", CTRL_SHIFT),
      press("KeyC", { ...CTRL_SHIFT, altKey: true }),
      press("Enter", { shiftKey: true }),
    ]) {
      expect(chordOf(key)).toBeNull();
    }
  });
});
