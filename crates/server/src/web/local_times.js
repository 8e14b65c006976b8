// Times of /app in the zone of who looks, which is named. Without script they are in the zone that
// the server names.
"use strict";
(function () {
  var zone;
  try {
    zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  } catch (error) {
    return;
  }
  if (!zone || zone === "UTC" || zone === "Etc/UTC") return;
  var format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone, timeZoneName: "short", hourCycle: "h23",
    year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit"
  });

  document.querySelectorAll("time[datetime]").forEach(function (time) {
    // A day or a month is no point in time: it stays as it is.
    if (!/^\d{4}-\d\d-\d\dT.*Z$/.test(time.dateTime)) return;
    var at = new Date(time.dateTime);
    if (isNaN(at)) return;
    var parts = {};
    format.formatToParts(at).forEach(function (part) { parts[part.type] = part.value; });
    var words = parts.year + "-" + parts.month + "-" + parts.day + " " + parts.hour + ":" + parts.minute +
      " " + parts.timeZoneName;
    time.title = time.textContent;
    (time.firstElementChild || time).textContent = words;
  });

  var said = document.getElementById("zone");
  if (said) said.textContent = "Times are in " + zone + ". Days, and what you type, are in UTC.";
})();
