"use strict";

const ballast = (() => {
  const remember = (name, value) => {
    document.cookie = `${name}=${encodeURIComponent(value)};path=/;max-age=31536000;samesite=lax`;
  };

  const SHORTEST_MS = 120_000;

  /* Add one moment to a live chart and let what is older than the window go. */
  const push = (id, point, windowMs, areas) => {
    const chart = getElement(id)?.chart;
    if (!chart) return;
    const [at, ...values] = point;
    chart.ballastData ??= chart.getOption().series.map((series) => series.data.slice());
    const oldest = at - windowMs;
    const first = Math.min(...chart.ballastData.map((data) => data[0]?.[0] ?? at), at - SHORTEST_MS);
    const from = Math.max(oldest, first);
    const series = chart.ballastData.map((data, index) => {
      if (!data.length || data[data.length - 1][0] < at) data.push([at, values[index]]);
      while (data.length && data[0][0] < oldest) data.shift();
      const change = { data };
      if (index === 0) change.markArea = { data: areas };
      return change;
    });
    chart.setOption({ xAxis: { min: from, max: at }, series });
  };

  remember("ballast_zone", Intl.DateTimeFormat().resolvedOptions().timeZone);
  if (!document.cookie.includes("ballast_theme=")) {
    const light = window.matchMedia("(prefers-color-scheme: light)").matches;
    remember("ballast_theme", light ? "light" : "dark");
    if (light) location.reload();
  }

  return {
    push,
    useTheme: (name) => {
      remember("ballast_theme", name);
      location.reload();
    },
  };
})();
