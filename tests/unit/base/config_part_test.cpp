// Parts picked by `type:`, alone, by name, and inline.
#include "src/base/registry.h"
#include "tests/unit/base/sample_config.h"

namespace usam::test {
namespace {

struct Square {
  double side = 1;
};
void describe(Fields& f, Square& c) {
  f("side", c.side, "length").more_than(0);
}
struct Box {
  double width = 1, height = 2;
};
void describe(Fields& f, Box& c) {
  f("width", c.width, "left to right").required();
  f("height", c.height, "bottom to top");
  f.rule([&c] { return c.width > c.height ? "the box lies on its side" : ""; });
}

struct Shape {
  double area = 0;
};
using ShapeRegistry = Registry<Shape, double>;
const ShapeRegistry& shapes() {
  static const ShapeRegistry registry = [] {
    ShapeRegistry r;
    r.add<Square>("square", [](const Square& c, double scale) {
      return std::make_shared<Shape>(Shape{scale * c.side * c.side});
    });
    r.add<Box>("box",
               [](const Box& c, double scale) { return std::make_shared<Shape>(Shape{scale * c.width * c.height}); });
    return r;
  }();
  return registry;
}

struct Slot {
  Part shape;
  bool frozen = false;
};
void describe(Fields& f, Slot& c) {
  f.inline_part(c.shape, shapes().choices(), "which shape");
  f("frozen", c.frozen, "left alone");
}
struct Scene {
  Part main;
  Part other;
  std::map<std::string, Slot> slots;
};
void describe(Fields& f, Scene& c) {
  f.part("main", c.main, shapes().choices(), "the shape", "square");
  f.part("other", c.other, shapes().choices(), "another shape");
  f("slots", c.slots, "shapes with settings");
}

TEST(ConfigPart, TypePicksTheStruct) {
  Loader loader;
  auto scene = loader.load<Scene>("main: {side: 3}\nother: {type: box, width: 1}\n");
  EXPECT_EQ(scene.main.type, "square");
  EXPECT_EQ(scene.main.as<Square>().side, 3);
  EXPECT_EQ(scene.other.as<Box>().height, 2);
  EXPECT_EQ(shapes().build(scene.other, 10)->area, 20);
  EXPECT_EQ(message_of([&] { scene.other.as<Square>(); }), "the config of part 'box' is asked for as another type");
}

TEST(ConfigPart, AbsentAndNull) {
  Loader loader;
  auto scene = loader.load<Scene>("");
  EXPECT_EQ(scene.main.type, "square");  // the fallback
  EXPECT_TRUE(scene.other.empty());
  scene = loader.load<Scene>("main: null\nslots: {s: null}\n");
  EXPECT_TRUE(scene.main.empty());
  EXPECT_TRUE(scene.slots.empty());
}

TEST(ConfigPart, AllMistakesAtOnce) {
  Loader loader;
  EXPECT_EQ(loader.error<Scene>("main: {type: squrae}\nother: {width: 1}\n"
                                "slots: {a: {type: box, side: 2}, b: 3, s: {type: [box]}, t: {frozen: 2}}\n"),
            "DIR/c.yaml:1:14: 'main.type' is the unknown type 'squrae' (did you mean 'square'? known: box and square)\n"
            "DIR/c.yaml:2:8: 'other' needs a 'type' (known: box and square)\n"
            "DIR/c.yaml:3:12: missing required key 'slots.a.width' (left to right)\n"
            "DIR/c.yaml:3:24: unknown key 'side' in 'slots.a' (known: frozen, width and height)\n"
            "DIR/c.yaml:3:37: 'slots.b' must be a map, got '3'\n"
            "DIR/c.yaml:3:50: 'slots.s.type' must be the name of a type, got a list (known: box and square)\n"
            "DIR/c.yaml:3:61: 'slots.t' needs a 'type' (known: box and square)\n"
            "DIR/c.yaml:3:70: 'slots.t.frozen' must be true or false, got '2'");
}

TEST(ConfigPart, InlinePartSharesTheMap) {
  Loader loader;
  auto scene = loader.load<Scene>("slots: {a: {type: box, width: 1.5, frozen: true}, b: {type: square}}\n");
  EXPECT_TRUE(scene.slots.at("a").frozen);
  EXPECT_EQ(scene.slots.at("a").shape.as<Box>().width, 1.5);
  EXPECT_EQ(scene.slots.at("b").shape.type, "square");
  EXPECT_EQ(loader.error<Scene>("slots: {a: {type: square, frozn: true}}"),
            "DIR/c.yaml:1:27: unknown key 'frozn' in 'slots.a' (did you mean 'frozen'?)");
  EXPECT_EQ(loader.error<Scene>("slots: {a: {type: square, width: 2}}"),
            "DIR/c.yaml:1:27: unknown key 'width' in 'slots.a' (known: frozen and side)");
  EXPECT_EQ(loader.error<Scene>("slots: {a: {type: box, width: 3}}"), "DIR/c.yaml:1:12: the box lies on its side");
}

TEST(ConfigPart, AnotherTypeReplacesTheMapBelow) {
  Loader loader;
  loader.folder.write("base.yaml", "main: {type: square, side: 3}\nother: {type: box, width: 1, height: 9}\n");
  auto scene = loader.load<Scene>("base: base.yaml\nmain: {type: box, width: 1}\nother: {type: box, width: 2}\n");
  EXPECT_EQ(scene.main.as<Box>().width, 1);
  EXPECT_EQ(scene.other.as<Box>().height, 9);  // the same type merges
  for (std::vector<std::string> overrides : {std::vector<std::string>{"main.type=box", "main.width=2"},
                                             std::vector<std::string>{"main.width=2", "main.type=box"}}) {
    scene = loader.load<Scene>("base: base.yaml\n", {overrides, false});
    EXPECT_EQ(scene.main.as<Box>().width, 2);
  }
  EXPECT_EQ(loader.load<Scene>("base: base.yaml\n", {{"main.side=4"}, false}).main.as<Square>().side, 4);
  EXPECT_EQ(message_of([&] { loader.load<Scene>("base: base.yaml\n", {{"main.type=box"}, false}); }),
            "override 'main.type=box': missing required key 'main.width' (left to right) (another type replaces the "
            "whole map: give all of its keys)");
}

TEST(ConfigPart, KeysOfTheDefaultsTypeKeepTheDefault) {
  Loader loader;
  Scene scene;
  scene.other = {"box", std::make_shared<HeldConfig<Box>>(Box{3, 7})};
  auto original = scene.other.config;
  load_config(loader.folder.write("c.yaml", "other: {width: 4}\n"), {}, scene);
  EXPECT_EQ(scene.other.as<Box>().width, 4);
  EXPECT_EQ(scene.other.as<Box>().height, 7);
  EXPECT_EQ(dynamic_cast<HeldConfig<Box>&>(*original).value.width, 3);  // copies share a part: it is not written into
}

TEST(ConfigPart, PrintsWhatItReads) {
  Loader loader;
  auto scene =
      loader.load<Scene>("main: null\nother: {type: box, width: 1}\nslots: {s: {type: square, frozen: true}}\n");
  std::string printed = print_config(scene);
  EXPECT_EQ(printed,
            "main: null\n"
            "other:\n"
            "  type: box\n"
            "  width: 1.0\n"
            "  height: 2.0\n"
            "slots:\n"
            "  s:\n"
            "    type: square\n"
            "    side: 1.0\n"
            "    frozen: true\n");
  auto again = loader.load<Scene>(printed);
  EXPECT_EQ(print_config(again), printed);
}

TEST(ConfigPart, HelpListsEveryType) {
  Scene scene;
  EXPECT_EQ(help_text(scene),
            "main (part of type box or square, default square): the shape\n"
            "main.type: box\n"
            "main.width (number, required; type box): left to right\n"
            "main.height (number, default 2.0; type box): bottom to top\n"
            "main.type: square\n"
            "main.side (number, default 1.0; type square): length\n"
            "other (part of type box or square, default null): another shape\n"
            "other.type: box\n"
            "other.width (number, required; type box): left to right\n"
            "other.height (number, default 2.0; type box): bottom to top\n"
            "other.type: square\n"
            "other.side (number, default 1.0; type square): length\n"
            "slots (map of map, default {}): shapes with settings\n"
            "slots.NAME.type (box or square, required): which shape\n"
            "slots.NAME.type: box\n"
            "slots.NAME.width (number, required; type box): left to right\n"
            "slots.NAME.height (number, default 2.0; type box): bottom to top\n"
            "slots.NAME.type: square\n"
            "slots.NAME.side (number, default 1.0; type square): length\n"
            "slots.NAME.frozen (true or false, default false): left alone\n");
}

}  // namespace
}  // namespace usam::test
