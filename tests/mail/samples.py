"""One mail of each kind, as the jobs would fill it."""

from tracker.mail.contents import (
    Action,
    AddressMail,
    DigestMail,
    Figure,
    ForwardedMail,
    Line,
    Need,
    NewRequestMail,
    NoticesMail,
    ProbeMail,
    ReferenceMail,
    ReferenceReminderMail,
    RequestMail,
    Row,
    Section,
    SessionItem,
    SessionMail,
    SignInMail,
    Trend,
    WelcomeMail,
)

BASE_URL = "https://renewals.example.org"

REMINDER = NoticesMail(
    subject="3.5 RSC hours and 1 DEIA hour by Dec 31",
    greeting_name="Alice Moreno",
    headline="Two things left before December 31.",
    intro="Your Infant Family Specialist endorsement renews at the end of the year. "
    "Training and membership are done. Still missing:",
    sections=(
        Section(
            title="",
            text="",
            rows=(
                Row("Reflective supervision", "8.5 of 12 hours", "3.5 short"),
                Row("DEIA, inside your training", "0 of 1 hour", "1 short"),
            ),
        ),
    ),
    action=Action("Log hours", f"{BASE_URL}/entries/new?activity=rsc&minutes=210"),
    closing="Already did them? Logging takes half a minute. On leave, or something in the way? "
    "Reply: your coordinator can help before the deadline.",
    why="You get this because you hold an NCIMHA endorsement; renewal reminders stop once "
    "everything is in.",
    next_reminder="December 1",
)

TWO_ENDORSEMENTS = NoticesMail(
    subject="12 RSC hours by Dec 31; a provider ends",
    greeting_name="Bob Osei",
    headline="One endorsement is behind, and a provider stops counting.",
    intro="Three things fall together today.",
    sections=(
        Section(
            "Infant Family Specialist, NCIMHA",
            "Due by the end of December 31, 2026. Still missing:",
            (Row("Reflective supervision", "0 of 12 hours", "12 short"),),
        ),
        Section(
            "Provider: Kwame Osei",
            "Sessions from December 22, 2027 on will not count.",
            details=(
                "You logged 9 hours with Kwame Osei in the last 12 months; these stay counted.",
                "NCIMHA accepts vetted providers up to and including December 21, 2027.",
            ),
        ),
        Section("Membership", "Your NCIMHA membership ends on November 30, 2026."),
    ),
    action=Action("Open my year", f"{BASE_URL}/my-year"),
    closing="On leave, or something in the way? Reply: your coordinator can help.",
    why="You get this because you hold an NCIMHA endorsement.",
)

DIGEST = DigestMail(
    subject="NCIMHA: 4 people need you, 61 of 118 met",
    association="NCIMHA",
    period="Monday 9 to Sunday November 15, 2026",
    headline="4 people need you. 61 of 118 have renewed.",
    health="Last nightly run: today 02:00, healthy. 37 reminders went out this week, 1 bounced.",
    healthy=True,
    figures=(
        Figure("61", "met, 9 more than last week", "good"),
        Figure("42", "open, on pace"),
        Figure("11", "behind", "warm"),
        Figure("4", "need you", "warm"),
    ),
    needs=(
        Need(
            "A. Moreno",
            "IFS",
            "named a new RSC provider, K. Osei: qualified or not decides 9 hours",
            "confirm provider",
            f"{BASE_URL}/coordinator/providers/7",
        ),
        Need("T. Byrd", "IFS", "asks for leave from October 1", "decide"),
        Need("L. Chen", "IFS", "mail to work address came back twice; no second one", "reach her"),
        Need("R. Vance", "IFS", "0 of 12 RSC hours, 46 days left", "far behind"),
    ),
    more_needs=3,
    changes=(Line("9 completed, 1 fell behind, 64 hours logged", "44 % → 52 % done"),),
    trend=Trend(
        ("Week of", "met", "behind", "hours logged"),
        (("October 26", "47", "12", "51"), ("November 2", "52", "10", "58")),
    ),
    ahead=(
        Line("vetted providers stop counting", "23 endorsees, 5 providers", "December 21, 2027"),
    ),
    bounced=(Line("550 5.1.1 no such mailbox", "lchen@clinic.example", "L. Chen"),),
    more_bounced=0,
    action=Action("Open the dashboard", f"{BASE_URL}/coordinator"),
    why="Sent to coordinators of NCIMHA every Monday at 08:00.",
    unsubscribe_url=f"{BASE_URL}/unsubscribe/abc123",
)

QUIET_DIGEST = DigestMail(
    subject="NCIMHA: nothing needs you, 118 of 118 met",
    association="NCIMHA",
    period="Monday 9 to Sunday November 15, 2026",
    headline="Nothing needs you. 118 of 118 have renewed.",
    health="Last nightly run: today 02:00, healthy. 0 reminders went out this week, 0 bounced.",
    healthy=True,
    figures=(Figure("118", "met", "good"), Figure("0", "behind"), Figure("0", "need you")),
    needs=(),
    more_needs=0,
    changes=(),
    trend=Trend(),
    ahead=(),
    bounced=(),
    more_bounced=0,
    action=Action("Open the dashboard", f"{BASE_URL}/coordinator"),
    why="Sent to coordinators of NCIMHA every Monday at 08:00.",
    unsubscribe_url=f"{BASE_URL}/unsubscribe/abc123",
)

REFERENCE = ReferenceMail(
    subject="Ana Lima asks you for a reference",
    greeting_name="Pat Doe",
    applicant="Ana Lima",
    association="Virginia Association for Infant Mental Health",
    endorsement="Infant Family Specialist (IFS)",
    role="Current program supervisor",
    action=Action("Open the form", f"{BASE_URL}/reference/rXb0m1yM9nC4kq"),
    why=(
        "You get this because Ana Lima gave your address as a referee's; "
        "reminders stop once you have answered."
    ),
)

REFERENCE_REMINDER = ReferenceReminderMail(
    subject="Last reminder: a reference for Ana Lima",
    greeting_name="Pat Doe",
    applicant="Ana Lima",
    association=REFERENCE.association,
    endorsement=REFERENCE.endorsement,
    role=REFERENCE.role,
    action=REFERENCE.action,
    why=f"{REFERENCE.why} This is the last reminder.",
    again="They asked you for it on November 2, 2026.",
)

SESSION = SessionMail(
    subject="Dana Ruiz: confirm 1.5 hours of RSC, Nov 14",
    greeting_name="Ana Lima",
    headline="Dana Ruiz says that you took part in a session.",
    intro=(
        "If that is right, sign in and confirm it: only then it is in your log, which "
        "says whether it counts. If something is wrong, say so on the same page."
    ),
    items=(SessionItem("November 14, 2026", "1.5 hours", "Group RSC", "Dana Ruiz"),),
    action=Action("Confirm, or say what is wrong", f"{BASE_URL}/sessions/asked/7"),
    why="You get this because Dana Ruiz named you as one who took part.",
    unsubscribe_url=f"{BASE_URL}/unsubscribe/abc123",
)

SESSION_REMINDER = SessionMail(
    subject="2 RSC sessions wait for your answer",
    greeting_name="Ana Lima",
    headline="2 sessions wait for your answer.",
    intro=SESSION.intro,
    items=(
        *SESSION.items,
        SessionItem("December 2, 2026", "1 hour", "Individual RSC", "Kwame Osei"),
    ),
    action=Action("See them on My year", f"{BASE_URL}/my-year"),
    why="You get this because those who provided them named you as one who took part.",
    unsubscribe_url=SESSION.unsubscribe_url,
)

SIGN_IN = SignInMail("123 456 789", f"{BASE_URL}/sign-in/9f8e7d6c5b4a")
PROBE = ProbeMail("December 1, 2026, 12:00 UTC")

REQUEST = RequestMail(
    subject="Your new due date: February 15, 2027",
    greeting_name="Alice Moreno",
    headline="Your renewal is now due on February 15, 2027.",
    intro="The whole day counts for your renewal of NCIMHA IFS; reminders follow the new date.",
    rows=(Row("New due date", "February 15, 2027"),),
    answer="All the best for the move",
    answered_by="Carol Reyes",
    action=Action("See my requests", f"{BASE_URL}/requests"),
    why="You get this because you asked NCIMHA for it; every request is answered once.",
)

NEW_REQUEST = NewRequestMail(
    subject="Alice Moreno requests leave (NCIMHA IFS)",
    greeting_name="Carol Reyes",
    headline="Alice Moreno requests leave.",
    applicant="Alice Moreno",
    rows=(Row("Endorsement", "NCIMHA IFS"), Row("First day", "December 1, 2026")),
    reason="Parental leave",
    action=Action("Decide", f"{BASE_URL}/coordinator/requests/1"),
    why="You get this email because you coordinate NCIMHA.",
)

ADDRESS = AddressMail(
    subject="Confirm your second email address",
    greeting_name="Alice Moreno",
    headline="Is this your second address?",
    text="Open the page and type this code there. It works once, for 10 minutes.",
    quiet="If you do not know what this is about, ignore it: nothing happens without the code.",
    why=f"Sent because somebody entered this address at {BASE_URL}",
    code="F7KM-3RTX",
    action=Action("Open the page", f"{BASE_URL}/profile/second-address/9f8e7d6c5b4a"),
)

WELCOME = WelcomeMail(
    subject="Your NCIMHA IFS renewal is due Dec 31, 2026",
    greeting_name="Alice Moreno",
    headline="Your NCIMHA IFS endorsement is on record.",
    intro="NCIMHA keeps renewals here. Log your hours, and see what counts and why.",
    due="Your next renewal is due December 31, 2026. It needs:",
    rows=(Row("Training", "15 hours"), Row("Reflective supervision", "12 hours")),
    action=Action("Sign in", f"{BASE_URL}/sign-in"),
    sign_in="There is no password. Enter alice@example.org and we email you a code.",
    contact="Questions? Reply to this email. It goes to Carol Reyes (carol@example.org).",
    why="You get this email because NCIMHA recorded your endorsement.",
)

FORWARDED = ForwardedMail(
    subject="Your NCIMHA IFS renewal is due Dec 31, 2026",
    greeting_name="Alice Moreno",
    headline="This email came back from your first address.",
    intro="We sent the email below to alice@work.example, and it could not be delivered. "
    "Please check on your profile whether the address is right.",
    original="Your NCIMHA IFS renewal is due Dec 31, 2026",
    paragraphs=(
        ("Hello Alice Moreno,",),
        ("3.5 hours of RSC are still needed.", "Reflective supervision: 8.5 of 12 hours"),
    ),
    action=Action("See my profile", f"{BASE_URL}/profile"),
    why="You get this email because it did not reach your first address.",
)

SAMPLES = {
    "reminder": REMINDER,
    "two endorsements": TWO_ENDORSEMENTS,
    "digest": DIGEST,
    "quiet digest": QUIET_DIGEST,
    "reference": REFERENCE,
    "reference reminder": REFERENCE_REMINDER,
    "session": SESSION,
    "session reminder": SESSION_REMINDER,
    "request": REQUEST,
    "new request": NEW_REQUEST,
    "address": ADDRESS,
    "sign-in": SIGN_IN,
    "welcome": WELCOME,
    "forwarded": FORWARDED,
    "probe": PROBE,
}
