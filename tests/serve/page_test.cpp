// The page in a browser: a file goes in, its answer, mask and router weights come out.
#include "src/base/base64.h"
#include "tests/browser.h"
#include "tests/serve/server.h"

namespace usam::test {
namespace {

// Whether the canvas has been drawn on.
constexpr const char* kIsDrawn = "document.getElementById('spectrogram').toDataURL().length > 5000";
constexpr const char* kIsDone = "/answered in/.test(document.getElementById('status').textContent)";

std::string text_at(Browser& browser, const std::string& id) {
  return browser.evaluate("document.getElementById('" + id + "').textContent").get<std::string>();
}

// Set USAM_SCREENSHOTS to a folder to look at the pages.
void keep_screenshot(Browser& browser, const std::string& name) {
  const char* folder = std::getenv("USAM_SCREENSHOTS");
  if (folder) std::ofstream(std::string(folder) + "/" + name + ".png.base64") << browser.screenshot();
}

TEST(ServePage, AFileIsAnsweredAndDrawn) {
  USAM_NEEDS_BROWSER();
  const Server server;
  Browser browser;
  browser.resize(1000, 900);
  browser.prefer("light");
  browser.open(server.address() + "/");
  ASSERT_TRUE(browser.comes_true("document.querySelectorAll('#task option').length == 5"));
  EXPECT_EQ(text_at(browser, "model"), "tiny");
  browser.choose_files("#file", {tiny().clip("test0")});
  ASSERT_TRUE(browser.comes_true(kIsDone)) << text_at(browser, "status");
  EXPECT_EQ(text_at(browser, "answer"), tiny().text("test0"));
  EXPECT_TRUE(browser.comes_true(kIsDrawn));
  EXPECT_NE(text_at(browser, "mask").find("audio tokens are kept"), std::string::npos);
  EXPECT_EQ(browser.evaluate("document.querySelectorAll('#router li').length"), 3);
  EXPECT_NEAR(
      browser.evaluate("[...document.querySelectorAll('#router b')].reduce((s, b) => s + parseFloat(b.textContent), 0)")
          .get<double>(),
      100, 0.3);
  keep_screenshot(browser, "light");

  // A file that is dropped, with a question of one's own.
  browser.evaluate("document.getElementById('prompt').value = 'What is it?'");
  const auto dropped = to_base64(text_of(tiny().clip("test1")));
  browser.evaluate(
      "(() => { const data = new DataTransfer();"
      " data.items.add(new File([Uint8Array.from(atob('" +
      dropped +
      "'), c => c.charCodeAt(0))], 'other.wav'));"
      " document.getElementById('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, "
      "cancelable: true})); })()");
  ASSERT_TRUE(browser.comes_true("document.getElementById('name').textContent == 'other.wav'"));
  ASSERT_TRUE(browser.comes_true(kIsDone)) << text_at(browser, "status");
  EXPECT_EQ(text_at(browser, "answer"), tiny().text("test1", "--prompt 'What is it?'"));

  // On a phone, in the dark: nothing is wider than the window.
  browser.resize(360, 740, true);
  browser.prefer("dark");
  EXPECT_TRUE(browser.comes_true("document.documentElement.scrollWidth <= 360"));
  EXPECT_TRUE(browser.comes_true(kIsDrawn));
  keep_screenshot(browser, "dark-phone");
  EXPECT_TRUE(browser.complaints().empty()) << browser.complaints().front();
  for (const auto& url : browser.requests())
    EXPECT_TRUE(url.starts_with(server.address()) || url.starts_with("blob:")) << url;
}

TEST(ServePage, WhatCannotBeAnsweredIsSaid) {
  USAM_NEEDS_BROWSER();
  const Server server({"--api-key", "secret"});
  Browser browser;
  browser.open(server.address() + "/");
  ASSERT_TRUE(browser.comes_true("!document.getElementById('key-field').hidden"));
  const auto nonsense = tiny().file("nonsense.wav");
  std::ofstream(nonsense) << "this is no audio";
  browser.choose_files("#file", {nonsense});
  browser.evaluate("document.getElementById('key').value = 'wrong'; document.getElementById('ask').click()");
  EXPECT_TRUE(browser.comes_true("/another key than --api-key/.test(document.getElementById('status').textContent)"));
  browser.evaluate("document.getElementById('key').value = 'secret'; document.getElementById('ask').click()");
  EXPECT_TRUE(browser.comes_true(
      "/'nonsense.wav': cannot be read as audio/.test(document.getElementById('status').textContent)"))
      << text_at(browser, "status");
  EXPECT_EQ(browser.evaluate("document.getElementById('heard').hidden"), true);
  keep_screenshot(browser, "refused");
}

}  // namespace
}  // namespace usam::test
