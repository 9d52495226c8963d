// Applies the remembered colour theme before the first paint. A classic script on purpose: modules run too late.
try {
  const theme = JSON.parse(localStorage.getItem("xenolith.settings") ?? "{}").theme;
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage can be denied (private windows, embedded frames): the system's preference applies.
}
