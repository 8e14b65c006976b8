// Saves waiting; every page works without it.
"use strict";
(function () {
  // A step that was sent is not sent again by going back or reloading: the link is opened instead. A
  // page at its own address keeps it whole, with its filter.
  var path = document.body.dataset.path;
  history.replaceState(history.state, "", !path || path === location.pathname ? location.href : path);

  // A page from the back and forward cache is old: show how it stands now.
  addEventListener("pageshow", function (event) {
    if (event.persisted) location.replace(location.pathname + location.search);
  });

  // A second press while the first one is on its way does nothing.
  var sent = false;
  document.addEventListener("submit", function (event) {
    if (event.target.method !== "post") return;
    if (sent) {
      event.preventDefault();
      return;
    }
    sent = true;
    var buttons = document.querySelectorAll("form button");
    function mark(value) {
      buttons.forEach(function (button) { button.setAttribute("aria-disabled", value); });
    }
    mark("true");
    setTimeout(function () { sent = false; mark("false"); }, 8000);
  });

  // A link to pass on is selected whole, and copied by a button that only a browser with script has.
  document.querySelectorAll("[data-copies]").forEach(function (button) {
    var link = document.getElementById(button.dataset.copies);
    link.onfocus = link.select;
    button.hidden = !navigator.clipboard;
    button.onclick = function () {
      navigator.clipboard.writeText(link.value).then(function () { button.textContent = "Copied"; });
    };
  });

  // While a payment is under way the page asks how it stands, until it is told to stop.
  var state = document.querySelector("[data-poll]");
  var line = document.getElementById("auto");
  if (!state || !line || !window.fetch || !window.DOMParser) return;
  var status = line.querySelector("[role=status]");
  var button = line.querySelector("button");
  var words = {
    said: status.textContent, offline: status.dataset.offline,
    stop: button.textContent, start: button.dataset.start
  };
  var on = true, asked = 0, failed = 0, timer;
  // A page of somebody who has logged in asks alone, and so long only: it must not keep a login open
  // that nobody uses.
  var alone = state.dataset.poll === "asked", most = 100;

  // A screen reader says a text that changes: the same one is not written again.
  function say(text) {
    if (status.textContent !== text) status.textContent = text;
  }

  function plan() {
    clearTimeout(timer);
    if (on && !document.hidden) timer = setTimeout(ask, Math.min(3000 + 250 * asked, 15000));
  }

  function set(value) {
    on = value;
    asked = 0;
    say(on ? words.said : "");
    button.textContent = on ? words.stop : words.start;
    if (on) ask(); else clearTimeout(timer);
  }

  function ask() {
    if (alone && asked >= most) {
      set(false);
      return;
    }
    asked += 1;
    fetch(location.pathname, { cache: "no-store" }).then(function (answer) {
      if (!answer.ok) throw new Error(answer.status);
      return answer.text();
    }).then(function (text) {
      failed = 0;
      if (!on) return;
      say(words.said);
      var page = new DOMParser().parseFromString(text, "text/html");
      var now = page.querySelector("[data-state]");
      if (!now || now.dataset.state !== state.dataset.state) {
        location.replace(location.pathname);
        return;
      }
      page.querySelectorAll("[data-live]").forEach(function (part) {
        var old = document.getElementById(part.id);
        if (old && old.innerHTML !== part.innerHTML) old.innerHTML = part.innerHTML;
      });
      plan();
    }).catch(function () {
      // Once may be a restart, or a phone that changes its cell.
      failed += 1;
      if (on && failed > 1) say(words.offline);
      plan();
    });
  }

  button.addEventListener("click", function () { set(!on); });
  document.addEventListener("visibilitychange", function () {
    if (document.hidden) clearTimeout(timer); else if (on) ask();
  });
  // The server says when something has changed; a browser that cannot listen asks now and then.
  if (window.EventSource && !alone) {
    new EventSource(location.pathname + "/changes").onmessage = function () { if (on) ask(); };
  }
  line.hidden = false;
  plan();
})();
