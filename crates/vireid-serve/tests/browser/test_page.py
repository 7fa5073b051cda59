"""The page in a browser, with clicks and keys as a person makes them."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from figures import HEIGHT, WIDTH, figure, png

CARDS = "#answers .card"


def chosen(image, name="query.png"):
    return {"name": name, "mimeType": "image/png", "buffer": image}


def search_with(page, image):
    """Chooses a crop and waits for the answers; how many there are."""
    with page.expect_response(re.compile("/search$")):
        page.get_by_label("Choose a crop").set_input_files(chosen(image))
    expect(page.locator(CARDS).first).to_be_visible()
    return page.locator(CARDS).count()


def ids_shown(page):
    return page.locator("#answers > li").evaluate_all("items => items.map((item) => item.dataset.id)")


def split_into_two(service):
    """Makes two people by hand, of 14 and of 2 crops."""
    ids = sorted(service.ids())
    for entries in [ids[:14], ids[14:]]:
        service.call("POST", "people/split", json.dumps({"entries": entries}).encode())


def all_pictures_shown(page, within):
    """Scrolls through the pictures, as they are fetched when they come into sight."""
    for box in page.locator(f"{within} .picture").all():
        box.scroll_into_view_if_needed()
        expect(box.locator("img")).to_be_visible()
    page.evaluate("scrollTo(0, 0)")


def test_an_infrared_crop_finds_colour_crops_the_most_similar_first(filled, open_page):
    watched = open_page(filled)
    page = watched.page
    assert search_with(page, figure(2, "infrared", 9)) == 8
    expect(page.get_by_role("radio", name="infrared")).to_be_checked()
    assert all(id.startswith("visible-") for id in ids_shown(page))
    told = page.locator("dt:text-is('similarity') + dd").all_inner_texts()
    assert [float(text) for text in told] == sorted(map(float, told), reverse=True)
    expect(page.locator("#query img")).to_be_visible()
    expect(page.locator(f"{CARDS} time").first).to_have_attribute("datetime", re.compile(r"^2026-03-0\d\D1\d:30:00"))
    expect(page.get_by_role("status")).to_have_text("8 answers")
    all_pictures_shown(page, "#answers")
    watched.assert_accessible()
    watched.assert_fits()
    watched.picture("search-desktop")


def test_a_colour_crop_is_taken_as_visible_and_a_person_can_say_otherwise(filled, open_page):
    page = open_page(filled).page
    search_with(page, figure(1, "visible", 9))
    expect(page.get_by_role("radio", name="visible")).to_be_checked()
    assert all(id.startswith("infrared-") for id in ids_shown(page))
    with page.expect_response(re.compile("/search$")):
        page.get_by_role("radio", name="infrared").check()
    expect(page.locator("#answers > li[data-id^=visible-]")).to_have_count(8)


def test_answers_are_judged_by_keys_and_a_judgement_can_be_changed(filled, open_page):
    page = open_page(filled).page
    search_with(page, figure(0, "infrared", 9))
    first, second = page.locator(CARDS).nth(0), page.locator(CARDS).nth(1)
    first.focus()
    with page.expect_response(re.compile("/judgements$")) as kept:
        page.keyboard.press("a")
    assert kept.value.status == 201
    assert kept.value.request.post_data_json["query_modality"] == "infrared"
    expect(first.get_by_role("button", name="Accept")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("ArrowRight")
    expect(second).to_be_focused()
    page.keyboard.press("r")
    expect(second.get_by_role("button", name="Reject")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("a")
    expect(second.get_by_role("button", name="Accept")).to_have_attribute("aria-pressed", "true")
    expect(second.get_by_role("button", name="Reject")).to_have_attribute("aria-pressed", "false")
    # The cards stand in two columns here.
    for key, at in [("End", -1), ("Home", 0), ("ArrowDown", 2), ("ArrowUp", 0), ("ArrowLeft", 0)]:
        page.keyboard.press(key)
        expect(page.locator(CARDS).nth(at)).to_be_focused()
    mine = ids_shown(page)[:2]
    said = [(of["answer"], of["same"]) for of in filled.call("GET", "judgements")["judgements"] if of["answer"] in mine]
    assert said == [(mine[0], True), (mine[1], True)]


def test_a_search_goes_on_with_an_answer_and_remembers_what_was_said_of_it(filled, open_page):
    page = open_page(filled).page
    search_with(page, figure(3, "infrared", 9))
    with_this = page.locator(CARDS).first.get_by_role("button", name="Search with this one")
    entry = ids_shown(page)[0]
    with_this.click()
    expect(page.locator("#answers > li[data-id^=infrared-]")).to_have_count(8)
    expect(page.locator("#query figcaption")).to_contain_text(entry)
    with page.expect_response(re.compile("/judgements$")) as kept:
        page.locator(CARDS).first.get_by_role("button", name="Reject").click()
    assert kept.value.request.post_data_json == {"query": entry, "answer": ids_shown(page)[0], "same": False}
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("8 answers")
    expect(page.locator(CARDS).first.get_by_role("button", name="Reject")).to_have_attribute("aria-pressed", "true")


def test_a_filter_narrows_the_answers(filled, open_page):
    watched = open_page(filled)
    page = watched.page
    page.get_by_text("More filters").click()
    page.get_by_label("Search among").select_option("both")
    page.get_by_role("checkbox", name="hall").check()
    page.get_by_label("Seen from").fill("2026-03-02T00:00")
    page.get_by_label("Seen before").fill("2026-03-04T00:00")
    page.get_by_role("textbox", name="Metadata").fill("sight=1\nwalk=north")
    expect(page.locator("#rerank-numbers").get_by_label("k1")).to_be_hidden()
    page.get_by_label("re-rank by common neighbours").check()
    expect(page.locator("#rerank-numbers").get_by_label("k1")).to_have_value("20")
    search_with(page, figure(1, "infrared", 9))
    assert sorted(ids_shown(page)) == ["visible-1-1", "visible-2-1"]
    watched.assert_accessible()
    page.get_by_label("How many answers").fill("1")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(CARDS)).to_have_count(1)
    page.get_by_role("textbox", name="Metadata").fill("no pair")
    page.get_by_role("button", name="Search", exact=True).click()
    complaint = page.get_by_role("textbox", name="Metadata").evaluate("field => field.validationMessage")
    assert complaint == "Each line must be key=value."
    page.get_by_role("textbox", name="Metadata").fill("walk=south")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_text("Nothing in the gallery fits this filter.")).to_be_visible()


def test_what_a_person_filters_by_is_what_the_service_is_asked_for(filled, open_page):
    page = open_page(filled).page
    search_with(page, figure(1, "infrared", 9))
    page.get_by_text("More filters").click()
    page.get_by_label("Search among").select_option("infrared")
    page.get_by_label("Seen from").fill("2026-03-01T00:00")
    page.get_by_role("textbox", name="Metadata").fill("walk = north")
    page.get_by_label("re-rank by common neighbours").check()
    with page.expect_request(re.compile("/similar")) as asked:
        page.locator(CARDS).first.get_by_role("button", name="Search with this one").click()
    fields = parse_qs(urlsplit(asked.value.url).query)
    expected = {"top": "10", "among": "infrared", "meta.walk": "north", "rerank": "20,6,0.3"}
    expected |= {"from": "2026-02-28T23:00:00.000Z"}
    assert fields == {name: [value] for name, value in expected.items()}
    expect(page.locator("dt:text-is('distance')").first).to_be_visible()


def test_an_entry_is_deleted_only_after_a_person_agrees(filled, open_page):
    watched = open_page(filled)
    page = watched.page
    search_with(page, figure(0, "infrared", 9))
    first = ids_shown(page)[0]
    delete = page.locator(CARDS).first.get_by_role("button", name="Delete")
    delete.click()
    expect(page.get_by_role("dialog")).to_contain_text(first)
    watched.assert_accessible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(delete).to_be_focused()
    assert first in filled.ids()
    delete.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_have_text(f"{first} is deleted")
    expect(page.locator(CARDS)).to_have_count(7)
    expect(page.locator(CARDS).first).to_be_focused()
    assert first not in filled.ids()


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_crops_can_be_dropped_and_pasted(filled, open_page, way):
    page = open_page(filled).page
    bring = """([bytes, way]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], 'brought.png', { type: 'image/png' }));
        const options = { bubbles: true, cancelable: true };
        const event = way === 'drop' ? new DragEvent('drop', { ...options, dataTransfer: data })
            : new ClipboardEvent('paste', { ...options, clipboardData: data });
        document.body.dispatchEvent(event);
    }"""
    page.evaluate(bring, [list(figure(0, "infrared", 9)), way])
    expect(page.locator(CARDS)).to_have_count(8)
    expect(page.locator("#query figcaption")).to_contain_text("brought.png")


@pytest.mark.parametrize(("tint", "modality"), [((0, 0, 0), "infrared"), ((0, 8, 2), "infrared"), ((0, 30, 0), "visible")])
def test_an_image_with_hardly_a_colour_is_taken_as_infrared(service, open_page, tint, modality):
    page = open_page(service, "#add").page
    page.get_by_role("radio", name="visible" if modality == "infrared" else "infrared").check()
    row = bytes([0, *[100 + of for of in tint] * WIDTH])
    page.get_by_label("Choose crops").set_input_files(chosen(png(row * HEIGHT)))
    expect(page.get_by_role("radio", name=modality)).to_be_checked()


def test_what_is_no_image_is_not_sent(filled, open_page):
    page = open_page(filled).page
    text = {"name": "words.txt", "mimeType": "text/plain", "buffer": b"words"}
    page.get_by_label("Choose a crop").set_input_files(text)
    expect(page.get_by_role("alert")).to_contain_text("words.txt is not an image.")
    page.get_by_role("button", name="Close this message").click()
    expect(page.get_by_role("alert")).to_be_empty()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("There is nothing to search with yet.")


def test_a_crop_and_a_track_are_added(service, open_page):
    watched = open_page(service)
    page = watched.page
    expect(page.get_by_text("The gallery is empty.")).to_be_visible()
    page.get_by_role("link", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="Add")).to_be_focused()
    page.get_by_label("Choose crops").set_input_files(chosen(figure(0, "visible")))
    expect(page.get_by_role("radio", name="visible")).to_be_checked()
    page.get_by_label("Id", exact=True).fill("a/b ?#ü")
    page.get_by_role("combobox", name="Camera").fill("hall")
    page.get_by_label("Time", exact=True).fill("2026-03-01T12:30:15")
    page.get_by_role("textbox", name="Metadata").fill("floor = 2\nopen=true\nwalk=north")
    page.get_by_role("button", name="Add to the gallery").click()
    expect(page.get_by_role("status")).to_have_text("a/b ?#ü is added")
    kept = service.call("GET", "crops/a%2Fb%20%3F%23%C3%BC")
    assert kept["metadata"] == {"floor": 2, "open": True, "walk": "north"}
    assert kept["camera"] == "hall" and kept["time"].startswith("2026-03-01T11:30:15")

    page.get_by_label("Choose crops").set_input_files([chosen(figure(0, "infrared", at), f"{at}.png") for at in range(4)])
    expect(page.get_by_role("list", name="Chosen crops").locator("img")).to_have_count(4)
    watched.picture("add-desktop")
    watched.assert_accessible()
    page.get_by_role("button", name="Leave out 2.png").click()
    expect(page.get_by_role("radio", name="infrared")).to_be_checked()
    page.get_by_label("Id", exact=True).fill("track")
    page.get_by_role("button", name="Add 3 crops as one track").click()
    expect(page.get_by_role("status")).to_have_text("track (3 crops of one track) is added")
    assert service.call("GET", "crops/track")["crops"] == 3
    expect(page.locator("#counts")).to_have_text("1 visible, 1 infrared")


def test_what_the_service_refuses_is_said_and_the_form_stays(filled, open_page):
    watched = open_page(filled, "#add")
    watched.refusals_expected = True
    page = watched.page
    page.get_by_label("Choose crops").set_input_files(chosen(figure(0, "visible")))
    page.get_by_label("Id", exact=True).fill("visible-0-0")
    page.get_by_role("button", name="Add to the gallery").click()
    expect(page.get_by_role("alert")).to_contain_text("VR0802")
    watched.assert_accessible()
    page.get_by_label("Where that id is taken").select_option("replace")
    page.get_by_role("button", name="Add to the gallery").click()
    expect(page.get_by_role("status")).to_have_text("visible-0-0 is replaced")
    expect(page.get_by_role("alert")).to_be_empty()


def test_people_are_grouped_merged_split_and_removed(filled, open_page):
    watched = open_page(filled, "#people")
    page = watched.page
    expect(page.get_by_text("Nobody is known yet")).to_be_visible()
    page.get_by_text("Settings of the grouping").click()
    for name, value in [("k1", "4"), ("k2", "1"), ("least crops", "2")]:
        page.locator("#group-form").get_by_label(name).fill(value)
    watched.assert_accessible()
    with page.expect_request(re.compile("/people/cluster$")) as asked:
        page.get_by_role("button", name="Group the gallery").click()
    assert asked.value.post_data_json == {"k1": 4, "k2": 1, "min_samples": 2}
    status = page.get_by_role("status")
    expect(status).to_contain_text("found")
    people = page.locator("#people > li")
    grouped = len(filled.call("GET", "people")["people"])
    expect(people).to_have_count(grouped)
    if grouped < 2:
        split_into_two(filled)
        page.reload()
        expect(people).to_have_count(2)
    before = people.count()
    all_pictures_shown(page, "#people")
    watched.assert_accessible()
    watched.picture("people-desktop")

    page.locator("#people input.person").nth(0).check()
    expect(page.get_by_role("button", name="Merge people")).to_be_disabled()
    page.locator("#people input.person").nth(1).check()
    expect(page.get_by_text("2 people selected")).to_be_visible()
    page.get_by_role("button", name="Merge people").click()
    expect(status).to_contain_text("Merged into person")
    expect(people).to_have_count(before - 1)

    page.locator("#people input.crop").nth(0).check()
    page.locator("#people input.crop").nth(1).check()
    watched.picture("people-selected")
    page.get_by_role("button", name="Split crops off").click()
    expect(status).to_contain_text("Split off as person")
    expect(people).to_have_count(before)

    alone = filled.call("GET", "people")["unassigned"]
    crop = page.locator("#people input.crop").nth(0)
    id = crop.get_attribute("value")
    crop.check()
    page.get_by_role("button", name="Remove crops").click()
    expect(status).to_have_text("1 crop belongs to nobody now")
    assert filled.call("GET", "people")["unassigned"] == alone + 1
    page.get_by_role("button", name="Show them").click()
    expect(page.locator("#nobody").get_by_text(id, exact=True)).to_be_visible()
    watched.assert_accessible()

    page.get_by_role("button", name="Group the gallery").click()
    expect(page.get_by_role("dialog")).to_contain_text("given up")
    page.get_by_role("dialog").get_by_role("button", name="Group anew").click()
    expect(status).to_contain_text("found")
    expect(people).to_have_count(len(filled.call("GET", "people")["people"]))


def test_people_come_by_pages_and_with_all_their_crops(filled, open_page):
    split_into_two(filled)
    watched = open_page(filled)
    page = watched.page
    page.route("**/api/v1/people?*", lambda route: route.continue_(url=route.request.url.replace("limit=50", "limit=1")))
    page.get_by_role("link", name="People").click()
    expect(page.locator("#people > li")).to_have_count(1)
    expect(page.locator("#people input.crop")).to_have_count(12)
    page.get_by_role("button", name="Show all 14").click()
    expect(page.locator("#people input.crop")).to_have_count(14)
    expect(page.locator("#people input.crop").first).to_be_focused()
    page.get_by_role("button", name="Show more people").click()
    expect(page.locator("#people > li")).to_have_count(2)
    expect(page.get_by_role("button", name="Show more people")).to_be_hidden()
    expect(page.locator("#people > li").last.locator("input.crop")).to_have_count(2)


def test_a_token_is_asked_for_until_it_is_right_and_is_written_nowhere(start, open_page):
    service = start("--token", "open-sesame-of-the-gallery")
    watched = open_page(service)
    watched.refusals_expected = True
    page = watched.page
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("asks for a token")
    watched.assert_accessible()
    page.get_by_label("Token", exact=True).fill("a-wrong-one-of-length")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("does not accept that token")
    page.get_by_label("Token", exact=True).fill("open-sesame-of-the-gallery")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#counts")).to_have_text("0 visible, 0 infrared")
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="Add", exact=True).click()
    page.get_by_label("Choose crops").set_input_files(chosen(figure(0, "visible")))
    page.get_by_role("button", name="Add to the gallery").click()
    expect(page.get_by_role("status")).to_contain_text("is added")
    page.get_by_role("link", name="Search", exact=True).click()
    search_with(page, figure(0, "infrared"))
    expect(page.locator(f"{CARDS} img")).to_be_visible()
    written = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    assert "sesame" not in page.evaluate(written)
    page.reload()
    expect(dialog).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("VR0902")


def test_what_a_service_lacks_is_said(start, open_page):
    service = start("--no-images", "--not-calibrated")
    service.fill()
    watched = open_page(service)
    page = watched.page
    for words in ["not calibrated", "keeps no images"]:
        expect(page.get_by_text(words)).to_be_visible()
    search_with(page, figure(0, "infrared", 9))
    expect(page.locator(f"{CARDS} .picture").first).to_have_text("no image")
    expect(page.locator(".verdict")).to_have_count(0)
    watched.assert_accessible()
    watched.picture("search-plain")


def test_a_gallery_that_can_only_be_read_is_said_to_be(service, open_page):
    page = open_page(service).page
    page.route("**/health", lambda route: route.fulfill(json={"status": "read-only", "version": "0"}))
    page.reload()
    expect(page.get_by_text("The gallery can be read only")).to_be_visible()


def test_a_service_that_is_gone_is_said_to_be(start, open_page):
    service = start()
    service.fill()
    watched = open_page(service)
    watched.refusals_expected = True
    page = watched.page
    search_with(page, figure(0, "infrared", 9))
    service.stop()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer.")
    expect(page.locator(CARDS)).to_have_count(8)
    watched.picture("gone")


def test_a_service_that_is_busy_is_asked_again(filled, open_page):
    watched = open_page(filled)
    watched.refusals_expected = True
    page = watched.page
    refused = []

    def busy(route):
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            error = {"error": {"code": "VR0906", "message": "VR0906: busy"}}
            route.fulfill(status=503, headers={"retry-after": "1"}, body=json.dumps(error))

    page.route("**/api/v1/search", busy)
    page.get_by_label("Choose a crop").set_input_files(chosen(figure(0, "infrared", 9)))
    expect(page.locator(CARDS)).to_have_count(8)
    assert len(refused) == 1


def test_names_are_shown_as_text_whatever_they_are(service, open_page):
    name = "<img src=x onerror=alert(1)>"
    service.add(figure(0, "visible"), id=name, modality="visible", camera=name, metadata=json.dumps({name: name}))
    page = open_page(service).page
    search_with(page, figure(0, "infrared"))
    expect(page.locator(f"{CARDS} h4")).to_contain_text(name)
    page.get_by_role("link", name="People").click()
    page.get_by_role("button", name="Show them").click()
    expect(page.locator("#nobody .tile")).to_contain_text(name)
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("width", [320, 1280])
def test_the_query_stays_on_show_beside_the_last_answer(filled, open_page, width):
    watched = open_page(filled, width=width, height=700)
    page = watched.page
    search_with(page, figure(1, "infrared", 9))
    if width == 320:
        expect(page.get_by_role("heading", name="Answers")).to_be_in_viewport()
    page.locator(CARDS).last.focus()
    expect(page.locator(CARDS).last.get_by_role("heading")).to_be_in_viewport()
    expect(page.locator("#query img")).to_be_in_viewport(ratio=0.99)
    watched.picture(f"window-{width}", whole=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390])
def test_the_page_fits_a_phone(filled, open_page, width, scheme):
    filled.call("POST", "people/cluster", b"{}")
    watched = open_page(filled, width=width, height=760, scheme=scheme, touch=True)
    page = watched.page
    search_with(page, figure(1, "infrared", 9))
    all_pictures_shown(page, "#answers")
    watched.assert_fits()
    watched.assert_accessible()
    watched.picture(f"search-{width}-{scheme}")
    for view in ["Add", "People"]:
        page.get_by_role("link", name=view, exact=True).click()
        expect(page.get_by_role("heading", name=view, exact=True)).to_be_visible()
        if view == "People":
            expect(page.locator("#people-note")).not_to_be_empty()
            if page.locator("#people .picture").count():
                all_pictures_shown(page, "#people")
        watched.assert_fits()
        watched.assert_accessible()
        watched.picture(f"{view.lower()}-{width}-{scheme}")


@pytest.mark.parametrize("view", ["search", "add", "people"])
def test_each_view_is_accessible_in_the_dark(filled, open_page, view):
    watched = open_page(filled, f"#{view}", scheme="dark")
    expect(watched.page.locator(f"#view-{view} h2")).to_be_visible()
    expect(watched.page.locator("#counts")).not_to_be_empty()
    watched.assert_accessible()
    watched.picture(f"{view}-dark")


def test_the_page_can_be_used_without_a_mouse(filled, open_page):
    page = open_page(filled).page
    expect(page.locator("#counts")).not_to_be_empty()
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        told = "node => node.id || node.name || node.textContent.trim()"
        reached.append(page.evaluate_handle("document.activeElement").evaluate(told))
    assert reached == ["Search", "Add", "People", "search-file", "modality", "among", "top", "More filters", "Search"]


def test_the_service_lets_the_page_run_no_foreign_script(service, open_page):
    page = open_page(service).page
    response = page.request.get(f"{service.address}/")
    rules = response.headers["content-security-policy"]
    assert "default-src 'self'" in rules and "unsafe" not in rules
    assert page.content().count("<script") == 1 and " style=" not in page.content() and " onclick=" not in page.content()
